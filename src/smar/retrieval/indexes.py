"""A catalogue's vectors with an index over each kind, kept and searched together, and the soft mix of both.

Knows vectors and rows; nothing of queries' words, items or filters' fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig, Neighbours, Rows
from smar.retrieval.scan import Side, rank_rows, scan
from smar.retrieval.vectors import Flags, ItemVectors, Vectors


@dataclass(frozen=True, eq=False)
class ItemIndexes:
    """The vectors of a catalogue and an index over the text vectors and over the multimodal ones."""

    vectors: ItemVectors
    config: IndexConfig
    text: FaissIndex
    multimodal: FaissIndex

    @classmethod
    def build(cls, vectors: ItemVectors, config: IndexConfig) -> ItemIndexes:
        """Index both kinds of `vectors`."""
        text = FaissIndex.build(vectors.text, config)
        return cls(vectors, config, text, FaissIndex.build(vectors.multimodal, config))

    def changed_to(self, vectors: ItemVectors, moved: Rows) -> ItemIndexes:
        """Indexes over other `vectors`; `moved` says for each row of these where it went, or -1."""
        text = self.text.changed_to(vectors.text, moved)
        return ItemIndexes(vectors, self.config, text, self.multimodal.changed_to(vectors.multimodal, moved))

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
        """Write vectors and indexes into `folder`, each in a folder of its own."""
        self.vectors.save(folder / "vectors")
        self.text.save(folder / "text")
        self.multimodal.save(folder / "multimodal")

    @classmethod
    def load(cls, folder: Path) -> ItemIndexes:
        """Read what `save` wrote; vectors and graphs stay on disk, mapped into memory."""
        vectors = ItemVectors.load(folder / "vectors")
        text = FaissIndex.load(folder / "text", vectors.text)
        return cls(vectors, text.config, text, FaissIndex.load(folder / "multimodal", vectors.multimodal))
