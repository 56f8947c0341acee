"""The items of a generation and those changed since, searched as one. Knows engines and rows; nothing of HTTP.

The generation's index stays as it is: changed items are hidden in it, and those that are new or different lie in a
second, small one beside it, until the next generation takes them in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from smar.data.catalog import Catalog
from smar.data.records import Item
from smar.retrieval.engine import ImageMode, SearchEngine
from smar.retrieval.index import IndexConfig, Rows
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.journal import Change, changed_items
from smar.retrieval.lexical import BM25, OtherWords
from smar.retrieval.results import VectorChoice
from smar.retrieval.selection import Filters, Selection
from smar.retrieval.spelling import Spelling
from smar.retrieval.vectors import Flags, ItemEmbedder, ItemVectors, Vectors
from smar.serving.embedding import Embedded


@dataclass(frozen=True, eq=False)
class Segment:
    """Some items with their index and their words; rows count from `first`, `hidden` ones are never found."""

    engine: SearchEngine
    words: BM25 | OtherWords
    hidden: Flags
    first: int

    def __len__(self) -> int:
        return len(self.engine)

    @cached_property
    def shown(self) -> Selection:
        """The rows that can be found."""
        return Selection.of(self.engine.catalog).without(np.flatnonzero(self.hidden))


class Nearest(NamedTuple):
    """Rows and scores, best first, which vectors were met, and the share of the items that was searched."""

    rows: Rows
    scores: Vectors
    vectors: VectorChoice
    coverage: float


Selected = tuple[Selection, ...]
"""Which rows of each part may be found."""


@dataclass(frozen=True, eq=False)
class Segments:
    """A generation (the first) and, where items were changed since, those items (the second).

    A row is a number over both; `number` is of the last change that is in.
    """

    parts: tuple[Segment, ...]
    number: int = 0
    spelling: Spelling | None = None
    """The words of all of them; None corrects nothing."""

    @classmethod
    def of(cls, engine: SearchEngine, words: BM25, number: int) -> Segments:
        """A generation into which the changes up to `number` went."""
        return cls((Segment(engine, words, np.zeros(len(engine), np.bool_), 0),), number, engine.spelling)

    @property
    def engine(self) -> SearchEngine:
        """The generation's."""
        return self.parts[0].engine

    @property
    def rows(self) -> int:
        """Rows over all parts, hidden ones too."""
        return sum(map(len, self.parts))

    def __len__(self) -> int:
        """Items that can be found."""
        return sum(part.shown.count for part in self.parts)

    def with_changes(self, model: ItemEmbedder, changes: Sequence[Change]) -> Segments:
        """These items after `changes`; only what they bring is embedded.

        Raises:
            QueryError, DataError: an item is not as the shop's items are.
        """
        if not changes:
            return self
        base = self.parts[0]
        fresh = changed_items(base.engine.catalog, changes)
        touched = {change.item_id for change in changes}
        kept = [row for row, item_id in enumerate(self._added_ids) if item_id not in touched]
        hidden = base.hidden.copy()
        hidden[[base.engine.catalog.row(item) for item in touched if item in base.engine.catalog]] = True
        shown = Segment(base.engine, base.words, hidden, 0)
        number = changes[-1].number
        vectors = ItemVectors.build(model, fresh) if len(fresh) else None
        added = self._with_added(kept, fresh, vectors)
        spelling = base.engine.spelling
        if added is None:
            return Segments((shown,), number, spelling)
        # A word that came with a new item is no slip.
        knowing = None if spelling is None else spelling.knowing(added.engine.catalog)
        return Segments((shown, added), number, knowing)

    def row(self, item_id: str) -> int | None:
        """The row of an item; None where there is no such item (now)."""
        for part in reversed(self.parts):
            if item_id in part.engine.catalog:
                row = part.engine.catalog.row(item_id)
                return None if part.hidden[row] else part.first + row
        return None

    def place(self, row: int) -> tuple[Segment, int]:
        """The part that has a row, and its place there."""
        part = next(part for part in reversed(self.parts) if row >= part.first)
        return part, row - part.first

    def item(self, row: int) -> Item:
        """The item of a row."""
        part, place = self.place(row)
        return part.engine.catalog.item(place)

    def passing(self, filters: Filters) -> Selected:
        """Which rows pass filters, hidden ones never.

        Raises:
            QueryError: a filter is not understood.
        """
        return tuple(part.engine.selections.of(filters) & part.shown for part in self.parts)

    @property
    def shown(self) -> Selected:
        """Which rows can be found."""
        return tuple(part.shown for part in self.parts)

    def shown_without(self, row: int) -> Selected:
        """Which rows can be found, but for one."""
        part, place = self.place(row)
        return tuple(one.shown.without(np.array([place])) if one is part else one.shown for one in self.parts)

    def nearest(
        self, wanted: Embedded, k: int, selected: Selected, image: ImageMode, until: float
    ) -> Nearest:
        """The `k` best rows for one embedded query, equal scores by item id; needed `until` then (`time.monotonic`)."""
        found, searched = [], 0.0
        for part, selection in zip(self.parts, selected, strict=True):
            (of_part,) = part.engine.nearest(wanted, k, selection, image, until)
            found.append((of_part.rows + part.first, of_part.scores))
            searched += of_part.coverage * len(part)
        return Nearest(*self.best(found, k), of_part.vectors, searched / self.rows)

    def words_of(self, text: str) -> list[str]:
        """The words of a text that are searched for; stopwords and single letters are none."""
        return [word for word in text.split() if self._words.tokens(word)]

    def word_scores(self, text: str) -> Vectors:
        """BM25 of every row, all with the rarities of the generation's words."""
        return np.concatenate([part.words.scores(text) for part in self.parts])

    def word_weight(self, text: str) -> float:
        """What the words of a text weigh together, by the rarities of the generation's words."""
        return self._words.weight(text)

    def best(self, found: Sequence[tuple[Rows, Vectors]], k: int) -> tuple[Rows, Vectors]:
        """The `k` best of several lists of rows and scores, equal scores by item id."""
        rows = np.concatenate([rows for rows, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        if len(self.parts) == 1:
            order = np.lexsort((rows, -scores))[:k]
        else:
            ids = np.array([self._id(int(row)) for row in rows], dtype=str)
            order = np.lexsort((ids, -scores))[:k]
        return rows[order], scores[order]

    def vectors(self, rows: Rows, until: float = math.inf) -> tuple[Vectors, Vectors]:
        """Text and multimodal vectors of some rows."""
        text = np.empty((len(rows), self.engine.indexes.dim), np.float32)
        multimodal = np.empty_like(text)
        for part in self.parts:
            inside = (rows >= part.first) & (rows < part.first + len(part))
            if inside.any():
                places = rows[inside] - part.first
                text[inside], multimodal[inside] = part.engine.indexes.vectors_of(places, until)
        return text, multimodal

    def best_text_scores(self, query: Vectors, selected: Selected, until: float) -> tuple[Vectors, float]:
        """The inner products of a query with the text vectors of selected rows: all, or as many as are told.

        Also the share of the items that was searched.
        """
        found = [
            part.engine.indexes.best_text_scores(query, selection, until)
            for part, selection in zip(self.parts, selected, strict=True)
        ]
        return np.concatenate([scores for scores, _ in found]), min(coverage for _, coverage in found)

    def has_photo(self, row: int) -> bool:
        """Whether the item's photo was read."""
        part, place = self.place(row)
        return part.engine.indexes.has_image(place)

    @property
    def _words(self) -> BM25:
        words = self.parts[0].words
        assert isinstance(words, BM25)
        return words

    @property
    def _added_ids(self) -> list[str]:
        return self.parts[1].engine.catalog.item_ids if len(self.parts) > 1 else []

    def _id(self, row: int) -> str:
        part, place = self.place(row)
        return part.engine.catalog.item_ids[place]

    def _with_added(self, kept: list[int], fresh: Catalog, vectors: ItemVectors | None) -> Segment | None:
        """The second part: what it had, less what was touched, and what is fresh."""
        sides = []
        if kept:
            old = self.parts[1].engine
            places = np.asarray(kept, np.int64)
            photos = np.array([old.indexes.has_image(row) for row in kept])
            sides.append((old.catalog.rows(kept), (*old.indexes.vectors_of(places), photos)))
        if vectors is not None:
            sides.append((fresh, (vectors.text, vectors.multimodal, vectors.has_image)))
        if not sides:
            return None
        catalog = sides[0][0] if len(sides) == 1 else sides[0][0].joined(sides[1][0])
        unsorted = [item for side, _ in sides for item in side.item_ids]
        order = np.argsort(unsorted)
        text, multimodal, has_image = (
            np.concatenate([arrays[place] for _, arrays in sides])[order] for place in range(3)
        )
        fingerprint = self.engine.indexes.model_fingerprint
        joined = ItemVectors(catalog.item_ids, text, multimodal, has_image, fingerprint, catalog.fingerprint)
        engine = SearchEngine(self.engine.model, ItemIndexes.build(joined, IndexConfig()), catalog)
        hidden = np.zeros(len(catalog), np.bool_)
        return Segment(engine, self._words.others(catalog), hidden, len(self.parts[0]))
