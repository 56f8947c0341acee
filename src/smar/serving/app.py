"""The service as an ASGI application: its parts put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from smar.serving.config import ServeConfig
from smar.serving.errors import add_errors
from smar.serving.item_routes import add_items
from smar.serving.middleware import App, Around
from smar.serving.running import Running
from smar.serving.search_routes import PHOTO, add_search
from smar.serving.service import PREFIX
from smar.serving.shedding import Shedding
from smar.serving.state_routes import add_page, add_state


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

    app = _Service(
        title="SMAR",
        version=version("smar"),
        summary="Search for products by words and pictures.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    app.state.running = running
    add_errors(app, running)
    add_search(app, running)
    add_items(app, running)
    add_state(app, running)
    add_page(app)
    largest = {"": running.config.max_body, PHOTO: running.config.photo.max_bytes}
    app.add_middleware(Around, metrics=running.metrics, largest=largest)
    return app


class _Service(FastAPI):
    """Sheds before all that FastAPI puts around a request."""

    def build_middleware_stack(self) -> App:
        """As FastAPI builds it, and `Shedding` around it."""
        running: Running = self.state.running
        inner = super().build_middleware_stack()
        wait = running.config.retry_after
        return Shedding(inner, running.admission, running.metrics, f"{PREFIX}/search", wait)
