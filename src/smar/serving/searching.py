"""One search as the service does it: words understood, vectors and words searched, likes and dislikes weighed.

Knows a served generation; nothing of HTTP.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from smar.data.clicks import normalise_query
from smar.data.images import ImageLimits, ImageUnreadable, read_image, read_image_bytes
from smar.errors import QueryError, Unavailable
from smar.retrieval.engine import ImageMode
from smar.retrieval.hybrid import DEPTH, fuse
from smar.retrieval.index import Rows
from smar.retrieval.results import VectorChoice
from smar.retrieval.selection import Filters
from smar.retrieval.spelling import Spelling
from smar.retrieval.vectors import Flags, Vectors
from smar.serving.embedding import Embedded, RememberingEmbedder
from smar.serving.kept import Kept
from smar.serving.requests import Ask, Range
from smar.serving.segments import Nearest, Segments, Selected

if TYPE_CHECKING:
    from smar.model.explain import Explanation
    from smar.model.smar import SMAR

_WITHOUT = re.compile(r"\s+without\s+", re.IGNORECASE)
_AGAINST = 0.5
"""How much of an unwanted thing's vector is taken off the query's (our choice)."""
_KEPT = 10_000
"""Searches of which a searcher keeps what it found, some 1.5 KB each with fifty hits."""
_LONGEST_KEPT, _LONGEST_KEY = 256, 2_000
"""Hits, and characters of wishes, of searches that are kept: nobody shall fill the memory with others."""
_LISTED = 64
"""So many hits at least are found and kept, whichever of them a page shows."""
_ROUNDING = 1e-6
"""How far two sums of the same inner product of unit vectors may differ."""
_DECIDES = {"filters", "image", "mode", "boost"}
"""What of an `Ask`, beside the words and the number of hits, decides which items are found."""


class Ranked(NamedTuple):
    """Catalogue rows and scores, best first, and how they were found."""

    rows: Rows
    scores: Vectors
    vectors: VectorChoice | None
    gate: float | None
    query: Vectors | None = None
    """The vector that was searched [dim], if any was."""
    why: list[Reason] | None = None
    remembered: bool = False
    """Whether they are those of the same search a little earlier."""
    coverage: float = 1.0
    """The share of the items that was searched."""


class Reason(NamedTuple):
    """What text vectors alone say of a hit: their score, what the image adds to it, the rank they would give it."""

    text: float
    image_adds: float
    rank_by_text: int


@dataclass(frozen=True)
class Understanding:
    """What is searched, and what is not wanted, both normalised and spelt as the shop spells; `typed` is not."""

    q: str
    without: tuple[str, ...]
    typed: str

    @classmethod
    def of(cls, q: str, without: Sequence[str], spelling: Spelling | None) -> Understanding:
        """Split `dress without stripes` into what is wanted and what is not, and correct both if there is `spelling`.

        Raises:
            QueryError: no word is left to search for.
        """
        wanted, *unwanted = _WITHOUT.split(q)
        texts = [normalise_query(text) for text in (*unwanted, *without)]
        if not normalise_query(wanted):
            raise QueryError(f"query {q!r} names nothing to look for; type a word")
        typed = normalise_query(wanted)
        correct = (lambda text: text) if spelling is None else spelling.correct
        return cls(correct(typed), tuple(dict.fromkeys(correct(text) for text in texts if text)), typed)


class Wishes(NamedTuple):
    """Which rows may be returned, and which of them are liked how much, in shares of the best hit's score."""

    allowed: Selected
    liked: tuple[tuple[Selected, float], ...]

    @property
    def flags(self) -> Flags:
        """Which rows may be returned, bool [item]."""
        return np.concatenate([selection.flags for selection in self.allowed])

    @property
    def bonus(self) -> Vectors:
        """What is added to the rows' scores, in shares of the best hit's, float32 [item]."""
        total = np.zeros(sum(len(selection.flags) for selection in self.allowed), np.float32)
        for selected, weight in self.liked:
            flags = np.concatenate([selection.flags for selection in selected])
            total += np.float32(weight) * flags
        return total


@dataclass
class Stopwatch:
    """Milliseconds of named steps, and whether there is time for more; `left_out` says what there was none for."""

    seconds: float = math.inf
    began: float = field(default_factory=time.perf_counter)
    milliseconds: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def until(self) -> float:
        """When the time is over, in seconds of `time.monotonic`."""
        return time.monotonic() + self.seconds - (time.perf_counter() - self.began)

    def has_time(self, step: str) -> bool:
        """Whether `step` may still be done; if not, that is noted."""
        if time.perf_counter() - self.began < self.seconds:
            return True
        self.left_out.append(f"{step}: no time")
        return False

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add what the block takes to `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + (time.perf_counter() - began) * 1e3


@dataclass(frozen=True)
class Searcher:
    """The items of a moment, ready to be searched."""

    model: Callable[[], SMAR]
    """The whole model; only what searches by more than words calls for it."""
    segments: Segments
    embedder: RememberingEmbedder
    _kept: Kept[tuple[object, ...], Ranked] = field(default_factory=lambda: Kept(_KEPT), init=False)

    def search(self, understood: Understanding, ask: Ask, watch: Stopwatch) -> Ranked:
        """The hits from `ask.offset` on; those of the last searches are remembered, but for what explains them.

        Raises:
            QueryError: a filter or a boost is not understood, or a fused search asks too deep.
        """
        depth = ask.offset + ask.k
        if ask.explain:
            wishes = self._wishes(ask, watch)
            found = self._page(self._list(understood, ask, depth, wishes, watch), ask)
            if found.query is not None and watch.has_time("explain"):
                with watch.step("explain"):
                    why = self._reasons(found.query, found.rows, wishes.allowed, watch)
                    found = found._replace(why=why)
            return found
        listed = self._listed(depth)
        key = (understood.q, understood.without, listed, ask.model_dump_json(include=_DECIDES))
        known = self._kept.get(key)
        if known is not None:
            return self._page(known, ask)._replace(remembered=True)
        wishes = self._wishes(ask, watch)
        found = self._list(understood, ask, listed, wishes, watch)._replace(query=None)
        if not watch.left_out and listed <= _LONGEST_KEPT and len(key[-1]) <= _LONGEST_KEY:
            self._kept.put(key, found)
        return self._page(found, ask)

    def prepare(self, query: str) -> None:
        """Remember the hits of a normalised query that is asked for without further wishes."""
        self.search(Understanding.of(query, (), self.segments.spelling), Ask(), Stopwatch())

    def _listed(self, depth: int) -> int:
        """How many hits to find and keep where `depth` are asked for: the next page may be asked for, or fewer."""
        deepest = self.segments.engine.indexes.depth
        return depth if 0 < deepest < _LISTED else max(depth, _LISTED)

    @staticmethod
    def _page(found: Ranked, ask: Ask) -> Ranked:
        page = slice(ask.offset, ask.offset + ask.k)
        return found._replace(rows=found.rows[page], scores=found.scores[page])

    def _list(
        self, understood: Understanding, ask: Ask, depth: int, wishes: Wishes, watch: Stopwatch
    ) -> Ranked:
        """The best `depth` hits, or all there are."""
        if ask.mode == "hybrid" and depth > DEPTH:
            raise QueryError(f"offset + k = {depth}: a hybrid search goes {DEPTH} hits deep; ask for less")
        if ask.mode == "semantic":
            return self._semantic(understood, ask, depth, wishes, watch)
        if ask.mode == "lexical":
            return self._lexical(understood, depth, wishes, watch)
        try:
            semantic = self._semantic(understood, ask, DEPTH, wishes, watch)
        except Unavailable:
            watch.left_out.append("semantic: the index cannot be reached")
            semantic = Ranked(np.empty(0, np.int64), np.empty(0, np.float32), None, None, coverage=0.0)
        by_words = []
        if watch.has_time("lexical"):
            by_words = _scored(self._lexical(understood, DEPTH, wishes, watch))
        with watch.step("fuse"):
            fused = fuse(_scored(semantic), by_words, self.segments.word_weight(understood.q))[:depth]
        rows = np.array([row for row, _ in fused], np.int64)
        scores = np.array([score for _, score in fused], np.float32)
        return semantic._replace(rows=rows, scores=scores)

    def similar(self, row: int, k: int, watch: Stopwatch) -> Ranked:
        """Items whose vectors are near an item's own, without it: multimodal where it has a photo, else text."""
        has_photo = self.segments.has_photo(row)
        with watch.step("search"):
            text, multimodal = self.segments.vectors(np.array([row]))
            own = Embedded(multimodal if has_photo else text, np.ones(1, np.float32))
            others = self.segments.shown_without(row)
            image: ImageMode = "always" if has_photo else "never"
            found = self.segments.nearest(own, k, others, image, watch.until)
        return _ranked(found, watch)

    def by_photo(self, data: bytes, limits: ImageLimits, k: int, watch: Stopwatch) -> Ranked:
        """Items whose multimodal vectors are near the image vector of a photo that someone sent.

        Raises:
            QueryError: the model reads no photos.
            ImageUnreadable: the bytes are no picture, or too many.
        """
        with watch.step("photo"):
            model = self.model()
            pixels = read_image_bytes(data, model.photo_size, limits)
        with watch.step("embed"):
            own = Embedded(model.embed_photos(pixels[None]), np.ones(1, np.float32))
        with watch.step("search"):
            found = self.segments.nearest(own, k, self.segments.shown, "always", watch.until)
        return _ranked(found, watch)

    def explain(self, q: str, row: int, watch: Stopwatch) -> Explanation:
        """Why an item scores as it does for a normalised query; a photo that cannot be read is as none."""
        from smar.model.explain import explain
        from smar.model.memory import item_names
        from smar.model.sources import item_texts

        part, place = self.segments.place(row)
        catalog, model = part.engine.catalog, self.model()
        item = catalog.rows([place])
        (text,), (name,) = item_texts(item, model.config.item_fields), item_names(item).tolist()
        pixels, path = None, catalog.image_path(place)
        if path is not None and self.segments.has_photo(row):
            with watch.step("photo"), suppress(ImageUnreadable):
                pixels = read_image(path, model.photo_size)
        with watch.step("explain"):
            return explain(model, q, text, pixels, name)

    def _wishes(self, ask: Ask, watch: Stopwatch) -> Wishes:
        with watch.step("filter"):
            allowed = self.segments.passing(_plain(ask.filters)) if ask.filters else self.segments.shown
            return Wishes(
                allowed,
                tuple(
                    (self.segments.passing(_plain({boost.field: boost.value})), boost.weight)
                    for boost in ask.boost
                ),
            )

    def _semantic(
        self, understood: Understanding, ask: Ask, depth: int, wishes: Wishes, watch: Stopwatch
    ) -> Ranked:
        with watch.step("embed"):
            wanted = self._wanted(understood)
        with watch.step("search"):
            until = watch.until
            found = self.segments.nearest(wanted, depth, wishes.allowed, ask.image, until)
            if wishes.liked and len(found.rows):
                found = self._liked(wanted, ask, depth, wishes, found, until)
        return _ranked(found, watch, float(wanted.gate[0]))._replace(query=wanted.vectors[0])

    def _wanted(self, understood: Understanding) -> Embedded:
        """What is wanted less some of what is not: one vector of unit length."""
        embedded = self.embedder.embed_queries([understood.q, *understood.without])
        if not understood.without:
            return embedded
        vector = embedded.vectors[0] - _AGAINST * embedded.vectors[1:].sum(axis=0)
        return Embedded((vector / np.linalg.norm(vector)).astype(np.float32)[None], embedded.gate[:1])

    def _reasons(self, query: Vectors, rows: Rows, allowed: Selected, watch: Stopwatch) -> list[Reason]:
        scores, coverage = self.segments.best_text_scores(query, allowed, watch.until)
        if coverage < 1:
            watch.left_out.append(f"explain: {1 - coverage:.1%} of the items could not be reached")
        ranked = np.sort(-scores)
        text, multimodal = self.segments.vectors(rows, watch.until)
        by_text, with_image = text @ query, multimodal @ query
        # A little above its own score: another way to sum a product may differ in the last bits.
        ranks = 1 + np.searchsorted(ranked, -by_text - _ROUNDING, side="left")
        return [
            Reason(float(text), float(both - text), int(rank))
            for text, both, rank in zip(by_text, with_image, ranks, strict=True)
        ]

    def _liked(
        self, wanted: Embedded, ask: Ask, depth: int, wishes: Wishes, found: Nearest, until: float
    ) -> Nearest:
        """The best rows with boosts: the best of the items that share all of them are all that can win."""
        best, parts, coverage = abs(float(found.scores[0])), [], found.coverage
        for likes in itertools.product((True, False), repeat=len(wishes.liked)):
            chosen = list(wishes.allowed)
            for place, part in enumerate(chosen):
                for (selected, _), inside in zip(wishes.liked, likes, strict=True):
                    part = part & selected[place] if inside else part.failing_all(selected[place])
                chosen[place] = part
            if not any(part.count for part in chosen):
                continue
            of_these = self.segments.nearest(wanted, depth, tuple(chosen), ask.image, until)
            bonus = sum(weight for (_, weight), inside in zip(wishes.liked, likes, strict=True) if inside)
            parts.append((of_these.rows, of_these.scores + np.float32(bonus * best)))
            coverage = min(coverage, of_these.coverage)
        return Nearest(*self.segments.best(parts, depth), found.vectors, coverage)

    def _lexical(self, understood: Understanding, depth: int, wishes: Wishes, watch: Stopwatch) -> Ranked:
        with watch.step("words"):
            scores = self.segments.word_scores(understood.q)
            passes = (scores > 0) & wishes.flags
            for unwanted in understood.without:
                words = self.segments.words_of(unwanted)
                if words:
                    passes &= ~np.all([self.segments.word_scores(word) > 0 for word in words], axis=0)
            if wishes.liked:
                scores = scores + (wishes.bonus * scores[passes].max(initial=0)).astype(np.float32)
            rows, best = self.segments.best([(np.flatnonzero(passes), scores[passes])], depth)
        return Ranked(rows, best, None, None)


def _ranked(found: Nearest, watch: Stopwatch, gate: float | None = None) -> Ranked:
    if found.coverage < 1:
        watch.left_out.append(f"search: {1 - found.coverage:.1%} of the items could not be reached")
    return Ranked(found.rows, found.scores, found.vectors, gate, coverage=found.coverage)


def _scored(found: Ranked) -> list[tuple[int, float]]:
    return list(zip(found.rows.tolist(), found.scores.tolist(), strict=True))


def _plain(filters: Mapping[str, object]) -> Filters:
    """Filters as `compile_filter` takes them."""
    return {
        name: value.model_dump(exclude_none=True) if isinstance(value, Range) else value  # type: ignore[misc]
        for name, value in filters.items()
    }
