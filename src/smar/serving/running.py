"""What lives as long as the service does, and how a request gets its turn. Knows no routes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import Depends

from smar.serving.admission import Admission
from smar.serving.config import ServeConfig
from smar.serving.generation import CurrentGeneration
from smar.serving.guard import guard
from smar.serving.keys import Keys
from smar.serving.metrics import Metrics
from smar.serving.service import Service
from smar.serving.wire import SearchReply

Answer = TypeVar("Answer")


class Running:
    """What lives as long as the service does."""

    def __init__(self, run: Path, config: ServeConfig) -> None:
        self.run = run
        self.config = config
        keys = Keys.read(config.keys)
        self.may_read = [Depends(guard(keys, "read", needed=config.reads_need_key))]
        """What routes that search depend on."""
        self.may_write = [Depends(guard(keys, "write"))]
        """What routes that change something depend on."""
        self.metrics = Metrics()
        self.admission = Admission(config.workers, config.waiting, config.deadline)
        self.generation = CurrentGeneration(run)
        self.service = Service(self.generation, config, config.cache or run / "thumbnails")
        self.metrics.present.set_function(lambda: self.admission.present)
        self.metrics.items.set_function(lambda: len(self.generation.opened.segments))

    def close(self) -> None:
        """End all threads."""
        self.admission.close()
        self.generation.close()

    async def answer(self, call: Callable[[float], Answer]) -> Answer:
        """Run `call` when its turn comes; it is told how many seconds it has."""
        return await self.admission.run(call)

    def count(self, reply: SearchReply) -> None:
        """Count a search."""
        self.metrics.vectors.labels(reply.vectors or "none").inc()
        for step, took in reply.served.milliseconds.items():
            self.metrics.steps.labels(step).observe(took / 1e3)
