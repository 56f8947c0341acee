"""What a search engine asks of the vectors of a catalogue, and the answer of this process's own memory.

`ItemIndexes` keeps an index over the text vectors and one over the multimodal ones, and searches either or the soft mix
of both. Knows vectors and rows; nothing of queries' words or items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig, Neighbours, Reached, Rows
from smar.retrieval.results import VectorChoice
from smar.retrieval.scan import Side, rank_rows, scan
from smar.retrieval.selection import Selection
from smar.retrieval.vectors import Flags, ItemVectors, Vectors


class CatalogIndexes(Protocol):
    """The indexed vectors of a catalogue, in this process (`ItemIndexes`) or on other machines (`MilvusIndexes`)."""

    def __len__(self) -> int:
        """The number of items."""

    @property
    def dim(self) -> int:
        """The number of components of a vector."""

    @property
    def model_fingerprint(self) -> str:
        """Of the model that made the vectors."""

    @property
    def catalog_fingerprint(self) -> str:
        """Of the catalogue whose vectors they are."""

    @property
    def config(self) -> IndexConfig:
        """How they are indexed."""

    @property
    def depth(self) -> int:
        """How many hits can be asked for before another way of searching begins; 0 if there is only one."""

    def nearest(
        self,
        choice: VectorChoice,
        queries: Vectors,
        gates: Vectors,
        k: int,
        selection: Selection,
        until: float = math.inf,
    ) -> Reached:
        """The `k` nearest rows of each query among those selected, with the laws of `VectorIndex`.

        Args:
            choice: which vectors the queries meet; `soft` mixes both by the gates.
            queries: float32 [query, dim].
            gates: float32 [query].
            k: how many, at least 1.
            selection: which rows may be returned.
            until: when the answer is needed, in seconds of `time.monotonic`; what is in this process does not look.

        Raises:
            Unavailable: other machines hold the vectors, and none of them answers.
        """

    def vectors_of(self, rows: Rows, until: float = math.inf) -> tuple[Vectors, Vectors]:
        """The text and the multimodal vectors of some rows, each float32 [row, dim]."""

    def has_image(self, row: int) -> bool:
        """Whether the item's photo was read."""

    def best_text_scores(
        self, query: Vectors, selection: Selection, until: float = math.inf
    ) -> tuple[Vectors, float]:
        """The inner products of a query [dim] with the text vectors of selected rows, and the share that was searched.

        All scores, or the best of them, as many as are told.
        """


@dataclass(frozen=True, eq=False)
class ItemIndexes:
    """The vectors of a catalogue and an index over the text vectors and over the multimodal ones."""

    vectors: ItemVectors
    config: IndexConfig
    text: FaissIndex
    multimodal: FaissIndex

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return self.vectors.dim

    @property
    def model_fingerprint(self) -> str:
        """Of the model that made the vectors."""
        return self.vectors.model_fingerprint

    @property
    def catalog_fingerprint(self) -> str:
        """Of the catalogue whose vectors they are."""
        return self.vectors.catalog_fingerprint

    @property
    def depth(self) -> int:
        """How many hits can be asked for before all vectors are scanned; 0 if they always are."""
        return self.text.depth

    @classmethod
    def build(cls, vectors: ItemVectors, config: IndexConfig) -> ItemIndexes:
        """Index both kinds of `vectors`."""
        text = FaissIndex.build(vectors.text, config)
        return cls(vectors, config, text, FaissIndex.build(vectors.multimodal, config))

    def changed_to(self, vectors: ItemVectors, moved: Rows) -> ItemIndexes:
        """Indexes over other `vectors`; `moved` says for each row of these where it went, or -1."""
        text = self.text.changed_to(vectors.text, moved)
        return ItemIndexes(vectors, self.config, text, self.multimodal.changed_to(vectors.multimodal, moved))

    def nearest(
        self,
        choice: VectorChoice,
        queries: Vectors,
        gates: Vectors,
        k: int,
        selection: Selection,
        until: float = math.inf,  # noqa: ARG002 - nothing here is waited for
    ) -> Reached:
        """The `k` nearest rows of each query among those selected; see `CatalogIndexes`."""
        allowed = None if selection.is_everything else selection.flags
        if choice == "soft":
            return Reached(*self.soft(queries, gates, k, allowed))
        index = self.text if choice == "text" else self.multimodal
        return Reached(*index.search(queries, k, allowed))

    def vectors_of(
        self,
        rows: Rows,
        until: float = math.inf,  # noqa: ARG002
    ) -> tuple[Vectors, Vectors]:
        """The text and the multimodal vectors of some rows, each float32 [row, dim]."""
        return self.vectors.text[rows], self.vectors.multimodal[rows]

    def has_image(self, row: int) -> bool:
        """Whether the item's photo was read."""
        return bool(self.vectors.has_image[row])

    def best_text_scores(
        self,
        query: Vectors,
        selection: Selection,
        until: float = math.inf,  # noqa: ARG002
    ) -> tuple[Vectors, float]:
        """The inner products of a query [dim] with the text vectors of all selected rows."""
        scores: Vectors = self.vectors.text @ query
        return (scores if selection.is_everything else scores[selection.flags]), 1.0

    def soft(self, queries: Vectors, gates: Vectors, k: int, allowed: Flags | None = None) -> Neighbours:
        """Find the `k` best rows by `gate * multimodal + (1 - gate) * text`, a gate [query] for each query.

        That is the inner product of `[(1 - gate) query; gate query]` with `[text; multimodal]`. An exact
        index scans both kinds of vectors. An approximate one scores the union of the candidates that its two sides
        name; for more hits than either names it scans.
        """
        mixed = [
            Side((queries * (1 - gates)[:, None]).astype(np.float32), self.vectors.text),
            Side((queries * gates[:, None]).astype(np.float32), self.vectors.multimodal),
        ]
        depth = self.text.depth
        if k > depth:
            return scan(mixed, k, allowed)
        candidates = [index.search(queries, depth, allowed).rows for index in (self.text, self.multimodal)]
        found = min(k, candidates[0].shape[1])
        shape = (len(queries), found)
        best = Neighbours(np.empty(shape, np.float32), np.empty(shape, np.int64))
        for query in range(len(queries)):
            union = np.union1d(candidates[0][query], candidates[1][query])
            best.scores[query], best.rows[query] = rank_rows(mixed, query, union, found)
        return best

    def save(self, folder: Path) -> None:
        """Write the two indexes, not the vectors, into `folder`, each in a folder of its own."""
        self.text.save(folder / "text")
        self.multimodal.save(folder / "multimodal")

    @classmethod
    def load(cls, folder: Path, vectors: ItemVectors) -> ItemIndexes:
        """Read what `save` wrote, over the same vectors; graphs stay on disk, mapped into memory."""
        text = FaissIndex.load(folder / "text", vectors.text)
        return cls(vectors, text.config, text, FaissIndex.load(folder / "multimodal", vectors.multimodal))
