"""Answers requests: what comes over the wire becomes a search, and hits become a reply. Knows nothing of HTTP."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from smar.data.catalog import Catalog
from smar.data.images import ImageUnreadable
from smar.data.records import Item
from smar.errors import DataError, QueryError
from smar.retrieval.generations import current, generations
from smar.serving.config import ServeConfig
from smar.serving.generation import CurrentGeneration, Opened, Proposed
from smar.serving.photos import Thumbnail, thumbnail
from smar.serving.replies import (
    BatchReply,
    ExplainReply,
    GenerationsReply,
    HitOut,
    ItemOut,
    ItemReply,
    PhotoReply,
    SearchReply,
    Served,
    SimilarReply,
    SuggestReply,
    Understood,
    Why,
    WordWeight,
)
from smar.serving.requests import Ask, BatchRequest, ItemIn, SearchRequest
from smar.serving.searching import Ranked, Reason, Stopwatch, Understanding

PREFIX = "/v1"
_ITEMS_KEPT = 65_536
"""Some 1.5 KB each."""


class NotFound(QueryError):  # noqa: N818 - a state of the shop
    """There is no such item, or it has no photo."""


class Conflict(QueryError):  # noqa: N818 - a state of the index
    """What is asked cannot be done to the index as it is."""


class ShownItems:
    """The items of a generation as replies show them; those that were found last are kept, as they do not change."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.row = functools.lru_cache(_ITEMS_KEPT)(lambda row: _shown(catalog.item(row)))


class Service:
    """A run in service. Each call takes the generation that is current when it begins."""

    def __init__(self, generation: CurrentGeneration, config: ServeConfig, cache: Path) -> None:
        self._generation = generation
        self._config = config
        self._cache = cache
        self._shown = ShownItems(generation.opened.segments.engine.catalog)

    def close(self) -> None:
        """End what follows the run."""
        self._generation.close()

    def _current(self) -> Opened:
        return self._generation.opened

    def search(self, request: SearchRequest, request_id: str, seconds: float) -> SearchReply:
        """Answer one search in about `seconds`.

        Raises:
            QueryError: the query has no word, or a filter or boost is not understood.
        """
        return self._search(self._current(), request.q, request, request_id, seconds)

    def batch(self, request: BatchRequest, request_id: str, seconds: float) -> BatchReply:
        """Answer several searches from one generation; raises as `search` does."""
        opened, began = self._current(), time.perf_counter()

        def left() -> float:
            return seconds - (time.perf_counter() - began)

        return BatchReply(
            results=[self._search(opened, q, request, request_id, left()) for q in request.queries]
        )

    def similar(self, item_id: str, k: int, request_id: str) -> SimilarReply:
        """Items like another.

        Raises:
            NotFound: there is no such item.
        """
        opened, watch = self._current(), Stopwatch()
        ranked = opened.searcher.similar(_row(opened, item_id), k, watch)
        hits = self._hits(opened, ranked, 0, watch)
        assert ranked.vectors is not None
        return SimilarReply(
            vectors=ranked.vectors, hits=hits, served=_served(opened, request_id, watch, ranked)
        )

    def by_photo(self, data: bytes, k: int, request_id: str) -> PhotoReply:
        """Items that look like a photo.

        Raises:
            QueryError: the bytes are no picture, or the run's model reads none.
        """
        opened, watch = self._current(), Stopwatch()
        try:
            ranked = opened.searcher.by_photo(data, self._config.photo, k, watch)
        except ImageUnreadable as error:
            raise QueryError(
                f"the photo cannot be read ({error.fault.kind}); send a JPEG, PNG or WebP"
            ) from error
        hits = self._hits(opened, ranked, 0, watch)
        return PhotoReply(hits=hits, served=_served(opened, request_id, watch, ranked))

    def explain(self, item_id: str, q: str, request_id: str) -> ExplainReply:
        """Why an item scores as it does for a query.

        Raises:
            NotFound: there is no such item.
            QueryError: the query has no word.
        """
        opened, watch = self._current(), Stopwatch()
        understood = Understanding.of(q, (), opened.segments.spelling)
        found = opened.searcher.explain(understood.q, _row(opened, item_id), watch)
        return ExplainReply(
            score=found.score,
            text=found.text,
            image=found.image,
            clicks=found.clicks,
            words=[WordWeight(word=word, falls=falls) for word, falls in found.words],
            cells=None if found.cells is None else found.cells.tolist(),
            served=_served(opened, request_id, watch),
        )

    def item(self, item_id: str, request_id: str) -> ItemReply:
        """An item by its id.

        Raises:
            NotFound: there is none.
        """
        opened, watch = self._current(), Stopwatch()
        item = opened.segments.item(_row(opened, item_id))
        return ItemReply(item=_shown(item), served=_served(opened, request_id, watch))

    def photo(self, item_id: str, width: int) -> Thumbnail:
        """The photo of an item, about `width` pixels wide.

        Raises:
            NotFound: there is no such item, or it has no photo that can be read.
        """
        opened = self._current()
        part, place = opened.segments.place(_row(opened, item_id))
        path = part.engine.catalog.image_path(place)
        if path is None:
            raise NotFound(f"item {item_id!r} has no photo")
        try:
            return thumbnail(path, width, self._cache)
        except ImageUnreadable as error:
            # The message names a path of this machine; who asks is told the kind.
            raise NotFound(f"the photo of item {item_id!r} cannot be shown ({error.fault.kind})") from error

    def has(self, item_id: str) -> bool:
        """Whether there is such an item."""
        return self._current().segments.row(item_id) is not None

    def check(self, items: Mapping[str, ItemIn | None]) -> None:
        """Raise `QueryError` if an item is not as the shop's items are."""
        try:
            self._generation.check(_proposed(items))
        except DataError as error:
            raise QueryError(str(error)) from error

    def change(self, items: Mapping[str, ItemIn | None]) -> int:
        """Put items in, or, with None, take them out: on disk and in searches when this returns.

        Returns:
            The number of the last change.
        """
        return self._generation.change(_proposed(items))

    def generations(self) -> GenerationsReply:
        """What there is and what answers."""
        return GenerationsReply(
            generations=[one.name for one in generations(self._generation.index)],
            answers=self._current().name,
        )

    def roll_back(self) -> GenerationsReply:
        """Let the generation before the current one answer again, from the next request on.

        Raises:
            Conflict: there is none.
        """
        now = current(self._generation.index)
        if not any(one.number < now.number for one in generations(self._generation.index)):
            raise Conflict("there is no earlier generation to roll back to")
        self._generation.roll_back()
        return self.generations()

    def suggest(self, begun: str, k: int) -> SuggestReply:
        """Queries of the shop's log that begin so."""
        return SuggestReply(suggestions=self._current().suggestions.complete(begun, k))

    def _search(self, opened: Opened, q: str, ask: Ask, request_id: str, seconds: float) -> SearchReply:
        watch = Stopwatch(seconds)
        spelling = None if ask.as_typed else opened.segments.spelling
        understood = Understanding.of(q, ask.without, spelling)
        ranked = opened.searcher.search(understood, ask, watch)
        hits = self._hits(opened, ranked, ask.offset, watch)
        if ask.mode != "lexical" and opened.segments.engine.model.cuts(understood.q):
            watch.left_out.append("query: its end, which is more than the model reads")
        return SearchReply(
            understood=Understood(q=understood.q, without=list(understood.without), typed=understood.typed),
            mode=ask.mode,
            vectors=ranked.vectors,
            gate=ranked.gate,
            hits=hits,
            served=_served(opened, request_id, watch, ranked),
        )

    def _hits(self, opened: Opened, ranked: Ranked, offset: int, watch: Stopwatch) -> list[HitOut]:
        with watch.step("items"):
            last = offset + len(ranked.rows)
            reasons: list[Why | None] = [_why(reason, ranked, last) for reason in ranked.why or ()]
            reasons += [None] * (len(ranked.rows) - len(reasons))
            items = self._items(opened, ranked.rows.tolist())
            hits = zip(items, ranked.scores.tolist(), reasons, strict=True)
            return [
                HitOut(rank=rank, score=score, item=item, why=why)
                for rank, (item, score, why) in enumerate(hits, start=offset + 1)
            ]

    def _items(self, opened: Opened, rows: list[int]) -> list[ItemOut]:
        segments, kept = opened.segments, self._shown
        if kept.catalog is not segments.engine.catalog:
            kept = self._shown = ShownItems(segments.engine.catalog)
        of_generation = len(segments.parts[0])
        return [kept.row(row) if row < of_generation else _shown(segments.item(row)) for row in rows]


def _why(reason: Reason, ranked: Ranked, last: int) -> Why:
    only_by_image = ranked.vectors != "text" and reason.image_adds > 0 and reason.rank_by_text > last
    return Why(
        text=reason.text,
        image_adds=reason.image_adds,
        rank_by_text=reason.rank_by_text,
        only_by_image=only_by_image,
    )


def _proposed(items: Mapping[str, ItemIn | None]) -> list[Proposed]:
    return [(item_id, None if item is None else _cells(item)) for item_id, item in items.items()]


def _cells(item: ItemIn) -> dict[str, Any]:
    return {**item.attributes, **item.model_dump(exclude={"attributes"})}


def _shown(item: Item) -> ItemOut:
    photo = None if item.image is None else f"{PREFIX}/images/{quote(item.item_id, safe='')}"
    return ItemOut.of(item, photo)


def _row(opened: Opened, item_id: str) -> int:
    row = opened.segments.row(item_id)
    if row is None:
        raise NotFound(f"there is no item {item_id!r}")
    return row


def _served(opened: Opened, request_id: str, watch: Stopwatch, ranked: Ranked | None = None) -> Served:
    return Served(
        request_id=request_id,
        remembered=ranked is not None and ranked.remembered,
        coverage=1.0 if ranked is None else ranked.coverage,
        model=opened.segments.engine.model.fingerprint,
        generation=opened.name,
        changes=opened.segments.number,
        items=len(opened.segments),
        left_out=watch.left_out,
        milliseconds={name: round(took, 3) for name, took in watch.milliseconds.items()},
    )
