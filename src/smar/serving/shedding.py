"""Turns searches away where no more may wait, before anything is read of them. Knows HTTP; nothing of search.

Under a flood most requests are such, and what is spent on them is missing for those that are answered: the whole of the
application takes ten times as long to say no.
"""

from __future__ import annotations

import json
import logging
import time

from smar.serving.admission import TOO_MANY, Admission
from smar.serving.metrics import Metrics
from smar.serving.middleware import App, Receive, Scope, Send, request_id_of, send_reply

_log = logging.getLogger("smar.serving")
_SECONDS_BETWEEN_LINES = 1.0


class Shedding:
    """Wraps an ASGI application; the log says how many requests were turned away, once a second."""

    def __init__(
        self, app: App, admission: Admission, metrics: Metrics, under: str, retry_after: int
    ) -> None:
        self.app = app
        self._admission = admission
        self._under = under
        self._refused = metrics.refused
        self._requests = metrics.requests.labels(under, "503")
        self._message = f"{TOO_MANY}; come again in {retry_after} s"
        self._headers = [(b"retry-after", str(retry_after).encode())]
        self._unsaid = 0
        self._said = -_SECONDS_BETWEEN_LINES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application do it."""
        if not self._admission.is_full or not scope.get("path", "").startswith(self._under):
            await self.app(scope, receive, send)
            return
        self._refused.inc()
        self._requests.inc()
        self._count()
        request_id = request_id_of(scope)
        error = {"code": "overloaded", "message": self._message, "request_id": request_id}
        await send_reply(send, 503, json.dumps({"error": error}).encode(), request_id, self._headers)

    def _count(self) -> None:
        self._unsaid += 1
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            _log.warning("%d searches were told to come again", self._unsaid)
            self._unsaid, self._said = 0, now
