"""Routes of the service itself: whether it lives, counts, which generation answers, and the search page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from smar.serving.errors import ERRORS
from smar.serving.replies import ErrorReply, GenerationsReply, Health, RunsReply
from smar.serving.running import Running
from smar.serving.service import PREFIX


def add_state(app: FastAPI, running: Running) -> None:
    """Add them."""

    @app.get("/health", tags=["state"], summary="Whether the process lives")
    async def health() -> Health:
        return Health()

    @app.get("/ready", responses=ERRORS, tags=["state"], summary="Whether it can take more")
    async def ready() -> Health:
        running.admission.check()
        return Health()

    @app.get("/metrics", response_class=Response, tags=["state"], summary="Counters for Prometheus")
    async def metrics() -> Response:
        return Response(running.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get(
        f"{PREFIX}/runs",
        responses=ERRORS,
        tags=["state"],
        summary="Runs that may be searched by name",
        dependencies=running.may_read,
    )
    async def runs() -> RunsReply:
        return RunsReply(runs=list(running.named))

    @app.get(
        f"{PREFIX}/generations",
        responses=ERRORS,
        tags=["state"],
        summary="Generations of the index",
        dependencies=running.may_read,
    )
    async def generations() -> GenerationsReply:
        return running.service.generations()

    @app.post(
        f"{PREFIX}/generations/rollback",
        responses=ERRORS | {409: {"model": ErrorReply, "description": "There is no earlier generation."}},
        tags=["state"],
        summary="Let the generation before the current one answer again",
        dependencies=running.may_write,
    )
    async def roll_back() -> GenerationsReply:
        return await running.write(running.service.roll_back)


def add_page(app: FastAPI) -> None:
    """The search page at / and its files at /page."""
    page = Path(__file__).parent / "page"
    app.mount("/page", StaticFiles(directory=page), name="page")

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(page / "index.html")
