"""What lives as long as the service does, and how a request gets its turn. Knows no routes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from fastapi import Depends

from smar.errors import ConfigError, QueryError
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.serving.admission import Admission
from smar.serving.config import ServeConfig
from smar.serving.generation import CurrentGeneration
from smar.serving.guard import guard
from smar.serving.keys import Keys
from smar.serving.metrics import Metrics
from smar.serving.online import Arm, EventLog, OnlineTest
from smar.serving.replies import BatchReply, ChangeReply, EventReply, SearchReply
from smar.serving.requests import BatchRequest, EventIn, ItemIn, SearchRequest
from smar.serving.service import Conflict, NotFound, Service

Answer = TypeVar("Answer")
_SECONDS_TO_WRITE = 30.0


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
        # Changes take turns among themselves, and take none from searches.
        self._writing = Admission(1, config.waiting, config.deadline + _SECONDS_TO_WRITE)
        self.online = None if config.online is None else OnlineTest.load(config.online)
        self.events = None if self.online is None else EventLog(self.online.log)
        cache = config.cache or run / "thumbnails"
        cluster = MilvusAddress.of(config.engine)
        self.generation = CurrentGeneration(run, cluster)
        self.service = Service(self.generation, config, cache)
        # Each run is opened once, whatever it is called: only one may write its journal.
        self._opened = {run.resolve(): self.service}
        arms = () if self.online is None else self.online.arm
        for other in (*config.beside, *(arm.run for arm in arms if arm.run is not None)):
            if other.resolve() not in self._opened:
                self._opened[other.resolve()] = Service(CurrentGeneration(other, cluster), config, cache)
        self.named = {one.resolve().name: self._opened[one.resolve()] for one in (run, *config.beside)}
        """The runs that a search may ask for by name, the one that answers otherwise first."""
        if len(self.named) <= len(config.beside):
            given = ", ".join(map(str, (run, *config.beside)))
            raise ConfigError(f"runs side by side need folders of different names; given are {given}")
        self.metrics.present.set_function(lambda: self.admission.present)
        self.metrics.queries.set_function(lambda: len(self.generation.embedder))
        self.metrics.items.set_function(lambda: len(self.generation.opened.segments))

    def close(self) -> None:
        """End all threads."""
        self.admission.close()
        self._writing.close()
        for service in self.services:
            service.close()
        if self.events is not None:
            self.events.close()

    async def answer(self, call: Callable[[float], Answer]) -> Answer:
        """Run `call` when its turn comes; it is told how many seconds it has."""
        return await self.admission.run(call)

    async def write(self, call: Callable[[], Answer]) -> Answer:
        """Run `call`, which changes something, when its turn comes."""
        return await self._writing.run(lambda _: call())

    @property
    def services(self) -> list[Service]:
        """Of the run, of those beside it, and of the runs of arms."""
        return list(self._opened.values())

    def change(self, items: Mapping[str, ItemIn | None]) -> ChangeReply:
        """Put items in, or, with None, take them out, in every run that answers (where they are): all or none.

        Returns:
            The number of the last change in the first run that was changed.

        Raises:
            NotFound: there is no such item to take out.
            QueryError: an item is not as the items of a run are; then nothing is changed.
        """
        changes = []
        gone = {item_id for item_id, item in items.items() if item is None}
        for service in self.services:
            there = {item_id for item_id in gone if service.has(item_id)}
            here = {item_id: item for item_id, item in items.items() if item is not None or item_id in there}
            if here:
                service.check(here)
                changes.append((service, here))
        known = {item_id for _, here in changes for item_id in here}
        if missing := [item_id for item_id in items if item_id not in known]:
            others = f" ({len(missing) - 1:,} more missing)" if len(missing) > 1 else ""
            raise NotFound(f"there is no item {missing[0]!r}{others}")
        numbers = [service.change(here) for service, here in changes]
        return ChangeReply(number=numbers[0])

    def search(self, asked: SearchRequest, request_id: str, seconds: float) -> SearchReply:
        """Search as the request says, or, for a user of an online test, as the user's arm does, and note it.

        Raises:
            NotFound: no run of the name that was asked for is served.
            QueryError: the search is not understood.
        """
        if self.online is None or self.events is None or asked.user is None:
            return self._of_name(asked.run).search(asked, request_id, seconds)
        if asked.run is not None:
            raise QueryError("the arm of a user decides which run answers; leave out `run` or `user`")
        arm = self.online.of(asked.user)
        service = self._of(arm)
        began = time.perf_counter()
        routed = asked.model_copy(update={"image": arm.image, "mode": arm.mode})
        reply = service.search(routed, request_id, seconds)
        if asked.offset == 0:  # Further pages are no further searches.
            self.events.append(
                {
                    "user": self.online.alias(asked.user),
                    "arm": arm.name,
                    "event": "exposure",
                    "request_id": request_id,
                    "hits": len(reply.hits),
                    "left_out": len(reply.served.left_out),
                    "departments": sorted({hit.item.department for hit in reply.hits if hit.item.department}),
                    "seconds": round(time.perf_counter() - began, 4),
                }
            )
        return reply.model_copy(update={"served": reply.served.model_copy(update={"arm": arm.name})})

    def batch(self, asked: BatchRequest, request_id: str, seconds: float) -> BatchReply:
        """Several searches in one run; raises as `search` does."""
        return self._of_name(asked.run).batch(asked, request_id, seconds)

    def happened(self, given: EventIn) -> EventReply:
        """Note what a user did; it is on disk when this returns.

        Raises:
            Conflict: no online test runs.
            NotFound: there is no such item.
        """
        if self.online is None or self.events is None:
            raise Conflict("no online test runs; start the service with one")
        arm = self.online.of(given.user)
        item = self._of(arm).item(given.item_id, "").item
        price = item.price if given.price is None and given.event == "order" else given.price
        kept = self.events.append(
            {
                "user": self.online.alias(given.user),
                "arm": arm.name,
                "event": given.event,
                "request_id": given.request_id,
                "item_id": given.item_id,
                "department": item.department,
                "price": price,
            }
        )
        kept.result()
        return EventReply(arm=arm.name)

    def _of(self, arm: Arm) -> Service:
        return self.service if arm.run is None else self._opened[arm.run.resolve()]

    def _of_name(self, name: str | None) -> Service:
        if name is None:
            return self.service
        if name not in self.named:
            raise NotFound(f"there is no run {name!r} here; there are {', '.join(self.named)}")
        return self.named[name]

    def count(self, reply: SearchReply) -> None:
        """Count a search."""
        self.metrics.vectors.labels(reply.vectors or "none").inc()
        if reply.served.remembered:
            self.metrics.remembered.inc()
        for step, took in reply.served.milliseconds.items():
            self.metrics.steps.labels(step).observe(took / 1e3)
