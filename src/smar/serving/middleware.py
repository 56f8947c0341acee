"""Around every request: an id, a count, a log line without the query, security headers, no body too large."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException

from smar.serving.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("smar.serving")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)


class Around:
    """Wraps an ASGI application."""

    def __init__(self, app: App, metrics: Metrics, largest: Mapping[str, int]) -> None:
        self.app = app
        self.metrics = metrics
        self.largest = largest
        """The largest body by path, in bytes; "" is any other path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status, begun = 500, False

        async def send_on(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun = True
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
            await send(message)

        most = self.largest.get(scope["path"], self.largest[""])
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, f"the body is larger than {most:,} bytes; send less")
            return message

        try:
            await self.app(scope, receive_some, send_on)
        except Exception:
            # What it says may name files of this machine; who asked is told where to look.
            _log.exception("fault", extra={"request_id": request_id})
            if not begun:
                await _send_fault(send, request_id)
        finally:
            # By the route's pattern, not by the path: ids must not become labels without end.
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            _log.info(
                "request",
                extra={
                    "request_id": request_id,
                    "route": route,
                    "status": status,
                    "seconds": round(seconds, 6),
                    **({"client": scope["state"]["client"]} if "client" in scope["state"] else {}),
                },
            )


async def send_reply(
    send: Send, status: int, body: bytes, request_id: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send a whole reply of JSON, with the headers that every reply has."""
    length = str(len(body)).encode()
    about = [(b"content-type", b"application/json"), (b"content-length", length), *headers]
    about += [(b"x-request-id", request_id.encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})


def request_id_of(scope: Scope) -> str:
    """The client's own, if it is a plain word, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return str(value.decode())
    # No secret. `secrets` would ask the system, and give up Python's lock to wait for it behind searches.
    return f"{random.getrandbits(64):016x}"


async def _send_fault(send: Send, request_id: str) -> None:
    message = "the service has a fault; its log tells more under this request id"
    body = json.dumps({"error": {"code": "fault", "message": message, "request_id": request_id}}).encode()
    await send_reply(send, 500, body, request_id)
