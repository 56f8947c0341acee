"""The service over HTTP: routes, errors and their status codes. Knows no search."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from smar.errors import QueryError, SmarError
from smar.retrieval.engine import ImageMode
from smar.retrieval.filters import parse_filters
from smar.serving.admission import Admission, Overloaded
from smar.serving.config import ServeConfig
from smar.serving.generation import CurrentGeneration
from smar.serving.metrics import Metrics
from smar.serving.middleware import Around
from smar.serving.service import PREFIX, NotFound, Service
from smar.serving.wire import (
    LONGEST_QUERY,
    BatchReply,
    BatchRequest,
    Depth,
    ErrorReply,
    ExplainReply,
    Health,
    ItemReply,
    Offset,
    PhotoReply,
    SearchMode,
    SearchReply,
    SearchRequest,
    SimilarReply,
    SuggestReply,
    Words,
)

Answer = TypeVar("Answer")
_PHOTO = f"{PREFIX}/search/photo"
_BYTES = {"type": "string", "format": "binary"}
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "invalid",
    503: "overloaded",
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The request cannot be understood."},
    404: {"model": ErrorReply, "description": "There is no such thing."},
    422: {"model": ErrorReply, "description": "A field is missing or out of range."},
    503: {
        "model": ErrorReply,
        "description": "Not ready, or overloaded; `Retry-After` says when to come again.",
    },
}


class Running:
    """What lives as long as the service does."""

    def __init__(self, run: Path, config: ServeConfig) -> None:
        self.run = run
        self.config = config
        self.metrics = Metrics()
        self.admission = Admission(config.workers, config.waiting, config.deadline)
        self.generation = CurrentGeneration(run)
        self.service = Service(lambda: self.generation.opened, config, config.cache or run / "thumbnails")
        self.metrics.present.set_function(lambda: self.admission.present)
        self.metrics.items.set_function(lambda: len(self.generation.opened.engine))

    def close(self) -> None:
        """End all threads."""
        self.admission.close()
        self.generation.close()

    async def answer(self, call: Callable[[float], Answer]) -> Answer:
        """Run `call` when its turn comes; it is told how many seconds it has."""
        return await self.admission.run(call)


def create_app(run: Path, config: ServeConfig | None = None) -> FastAPI:
    """The service of a run, as an ASGI application.

    Raises:
        ModelError, DataError, MismatchError: the run cannot be opened, or has no index.
    """
    running = Running(Path(run), config or ServeConfig())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(running.close)

    app = FastAPI(
        title="SMAR",
        version=version("smar"),
        summary="Search for products by words and pictures.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    app.state.running = running
    _add_errors(app, running)
    _add_search(app, running)
    _add_items(app, running)
    _add_state(app, running)
    largest = {"": running.config.max_body, _PHOTO: running.config.photo.max_bytes}
    app.add_middleware(Around, metrics=running.metrics, largest=largest)
    return app


def _add_search(app: FastAPI, running: Running) -> None:
    async def answer(request: Request, asked: SearchRequest) -> SearchReply:
        call = functools.partial(running.service.search, asked, request.state.request_id)
        reply = await running.answer(call)
        _count(running.metrics, reply)
        return reply

    @app.get(f"{PREFIX}/search", responses=_ERRORS, tags=["search"], summary="Search, in a link")
    async def search(
        request: Request,
        q: Annotated[Words, Query(description="What the shopper typed.")],
        k: Depth = 10,
        offset: Offset = 0,
        filter: Annotated[  # noqa: A002 - the name that clients write
            list[str],
            Query(max_length=16, description="brand=Acme, in_stock=true or price=10..40; repeatable."),
        ] = [],  # noqa: B006 (FastAPI copies it)
        image: ImageMode = "auto",
        mode: SearchMode = "semantic",
        without: Annotated[
            list[Words], Query(max_length=8, description="What is not wanted; repeatable.")
        ] = [],  # noqa: B006
        explain: Annotated[bool, Query(description="Also say what the image adds to each hit.")] = False,
    ) -> SearchReply:
        asked = SearchRequest.model_validate(
            {
                "q": q,
                "k": k,
                "offset": offset,
                "filters": parse_filters(filter),
                "image": image,
                "mode": mode,
                "without": without,
                "explain": explain,
            }
        )
        return await answer(request, asked)

    @app.post(f"{PREFIX}/search", responses=_ERRORS, tags=["search"], summary="Search, with everything")
    async def search_with(request: Request, asked: SearchRequest) -> SearchReply:
        return await answer(request, asked)

    @app.post(
        f"{PREFIX}/search/batch", responses=_ERRORS, tags=["search"], summary="Several searches at once"
    )
    async def batch(request: Request, asked: BatchRequest) -> BatchReply:
        replies = await running.answer(
            functools.partial(running.service.batch, asked, request.state.request_id)
        )
        for reply in replies.results:
            _count(running.metrics, reply)
        return replies

    @app.post(
        _PHOTO,
        responses=_ERRORS,
        tags=["search"],
        summary="Items that look like a photo",
        openapi_extra={"requestBody": {"required": True, "content": {"image/*": {"schema": _BYTES}}}},
    )
    async def by_photo(request: Request, k: Depth = 10) -> PhotoReply:
        data = await request.body()
        return await running.answer(lambda _: running.service.by_photo(data, k, request.state.request_id))

    @app.get(f"{PREFIX}/suggest", responses=_ERRORS, tags=["search"], summary="Queries that begin so")
    async def suggest(
        q: Annotated[str, Query(max_length=LONGEST_QUERY, description="What is typed so far.")], k: Depth = 10
    ) -> SuggestReply:
        return running.service.suggest(q, k)


def _add_items(app: FastAPI, running: Running) -> None:
    @app.get(
        f"{PREFIX}/similar/{{item_id:path}}", responses=_ERRORS, tags=["items"], summary="Items like this one"
    )
    async def similar(request: Request, item_id: str, k: Depth = 10) -> SimilarReply:
        return await running.answer(lambda _: running.service.similar(item_id, k, request.state.request_id))

    @app.get(
        f"{PREFIX}/explain/{{item_id:path}}",
        responses=_ERRORS,
        tags=["items"],
        summary="Why an item scores as it does for a query",
    )
    async def explain(
        request: Request, item_id: str, q: Annotated[Words, Query(description="What the shopper typed.")]
    ) -> ExplainReply:
        return await running.answer(lambda _: running.service.explain(item_id, q, request.state.request_id))

    @app.get(f"{PREFIX}/items/{{item_id:path}}", responses=_ERRORS, tags=["items"], summary="An item")
    async def item(request: Request, item_id: str) -> ItemReply:
        return running.service.item(item_id, request.state.request_id)

    @app.get(
        f"{PREFIX}/images/{{item_id:path}}",
        responses={**_ERRORS, 200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not changed."}},
        response_class=FileResponse,
        tags=["items"],
        summary="An item's photo",
    )
    async def image(
        request: Request,
        item_id: str,
        width: Annotated[int, Query(ge=1, le=1024, description="In pixels.")] = 256,
    ) -> Response:
        made = await running.answer(lambda _: running.service.photo(item_id, width))
        headers = {"ETag": f'"{made.tag}"', "Cache-Control": "public, max-age=3600"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(made.path, media_type="image/jpeg", headers=headers)


def _add_state(app: FastAPI, running: Running) -> None:
    @app.get("/health", tags=["state"], summary="Whether the process lives")
    async def health() -> Health:
        return Health()

    @app.get("/ready", responses=_ERRORS, tags=["state"], summary="Whether it can take more")
    async def ready() -> Health:
        running.admission.check()
        return Health()

    @app.get("/metrics", response_class=Response, tags=["state"], summary="Counters for Prometheus")
    async def metrics() -> Response:
        return Response(running.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_errors(app: FastAPI, running: Running) -> None:
    def reply(request: Request, status: int, message: str, **headers: str) -> JSONResponse:
        error = {
            "code": _CODES.get(status, "error"),
            "message": message,
            "request_id": request.state.request_id,
        }
        return JSONResponse({"error": error}, status, headers)

    @app.exception_handler(SmarError)
    async def refused(request: Request, error: SmarError) -> JSONResponse:
        if isinstance(error, NotFound):
            return reply(request, 404, str(error))
        if isinstance(error, QueryError):
            return reply(request, 400, str(error))
        # Others name files of this machine, and are no fault of the client.
        return reply(request, 500, "the service has a fault; its log tells more under this request id")

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


def _count(metrics: Metrics, reply: SearchReply) -> None:
    metrics.vectors.labels(reply.vectors or "none").inc()
    for step, took in reply.served.milliseconds.items():
        metrics.steps.labels(step).observe(took / 1e3)
