"""Routes of the service's own state: whether it lives, counts, and which generation answers."""

from __future__ import annotations

from fastapi import FastAPI, Response

from smar.serving.errors import ERRORS
from smar.serving.running import Running
from smar.serving.service import PREFIX
from smar.serving.wire import GenerationsReply, Health


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
        responses=ERRORS,
        tags=["state"],
        summary="Let the generation before the current one answer again",
        dependencies=running.may_write,
    )
    async def roll_back() -> GenerationsReply:
        return await running.answer(lambda _: running.service.roll_back())
