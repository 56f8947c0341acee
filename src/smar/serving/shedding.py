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

_log = logging.getLogger("smar.serving")
_SECONDS_BETWEEN_LINES = 1.0


class Shedding:
    """Writes the reply of requests that are turned away; the log says how many, once a second."""

    def __init__(self, admission: Admission, metrics: Metrics, under: str, retry_after: int) -> None:
        self._admission = admission
        self._metrics = metrics
        self._under = under
        self._wait = str(retry_after)
        self._unsaid = 0
        self._said = -_SECONDS_BETWEEN_LINES

    def reply(self, path: str, request_id: str) -> tuple[list[tuple[bytes, bytes]], bytes] | None:
        """Headers and body for a request of `path`, if it has to come again; None if it may go on."""
        if not (self._admission.is_full and path.startswith(self._under)):
            return None
        self._metrics.refused.inc()
        self._metrics.requests.labels(self._under, "503").inc()
        self._count()
        message = f"{TOO_MANY}; come again in {self._wait} s"
        error = {"code": "overloaded", "message": message, "request_id": request_id}
        body = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", self._wait.encode()),
        ]
        return headers, body

    def _count(self) -> None:
        self._unsaid += 1
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            _log.warning("%d searches were told to come again", self._unsaid)
            self._unsaid, self._said = 0, now
