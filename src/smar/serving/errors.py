"""Errors as replies: status codes, one line each, and nothing of this machine. Knows no routes."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from smar.errors import QueryError, SmarError, Unavailable
from smar.serving.admission import Overloaded
from smar.serving.replies import ErrorReply
from smar.serving.running import Running
from smar.serving.service import Conflict, NotFound

_log = logging.getLogger("smar.serving")
_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    503: "overloaded",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The request cannot be understood."},
    401: {"model": ErrorReply, "description": "This needs a key."},
    403: {"model": ErrorReply, "description": "This key may not do it."},
    404: {"model": ErrorReply, "description": "There is no such thing."},
    422: {"model": ErrorReply, "description": "A field is missing or out of range."},
    503: {
        "model": ErrorReply,
        "description": "Not ready, or overloaded; `Retry-After` says when to come again.",
    },
}


def add_errors(app: FastAPI, running: Running) -> None:
    """Turn what can go wrong into replies."""

    def reply(request: Request, status: int, message: str, **headers: str) -> JSONResponse:
        error = {
            "code": _CODES.get(status, "error"),
            "message": message,
            "request_id": request.state.request_id,
        }
        return JSONResponse({"error": error}, status, headers)

    @app.exception_handler(Unavailable)
    async def unreachable(request: Request, error: Exception) -> JSONResponse:
        _log.error("%s", error)
        wait = running.config.retry_after
        message = f"the index cannot be reached; come again in {wait} s"
        return reply(request, 503, message, **{"Retry-After": str(wait)})

    @app.exception_handler(SmarError)
    async def refused(request: Request, error: SmarError) -> JSONResponse:
        if isinstance(error, NotFound):
            return reply(request, 404, str(error))
        if isinstance(error, Conflict):
            return reply(request, 409, str(error))
        if isinstance(error, QueryError):
            return reply(request, 400, str(error))
        raise error  # No fault of the client.

    @app.exception_handler(Overloaded)
    async def come_again(request: Request, error: Exception) -> JSONResponse:
        running.metrics.refused.inc()
        wait = running.config.retry_after
        return reply(request, 503, f"{error}; come again in {wait} s", **{"Retry-After": str(wait)})

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5]
        )
        return reply(request, 422, faults)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return reply(request, error.status_code, str(error.detail), **(error.headers or {}))
