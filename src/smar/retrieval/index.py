"""What a vector index promises, its settings, and how an approximate one is measured against an exact one.

Knows nothing of items or text, and of no particular index library.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from smar.config import Config
from smar.retrieval.vectors import Flags, Vectors

Rows = NDArray[np.int64]


class IndexConfig(Config):
    """How items are indexed."""

    kind: Literal["exact", "hnsw", "ivf"] = "exact"
    """`exact` scans every vector; `hnsw` walks a graph of neighbours, `ivf` looks into some of many cells; both are
    faster and approximate. `hnsw` overlooks less, `ivf` takes a tenth of the memory and is changed in place."""
    links: int = Field(default=32, ge=2, le=512)
    """HNSW's M: links an item has to its neighbours on each level; more find more and take more memory."""
    ef_construction: int = Field(default=200, ge=1)
    """HNSW: candidates kept while an item's links are chosen; more make a better graph, more slowly."""
    ef_search: int = Field(default=256, ge=1)
    """HNSW: candidates kept while a query walks the graph; a search for more hits than this scans exactly."""
    lists: int | None = Field(default=None, ge=1)
    """IVF: cells; unset, four times the square root of the number of items."""
    probes: int = Field(default=64, ge=1)
    """IVF: cells that a query looks into; more find more, more slowly."""
    candidates: int = Field(default=384, ge=1)
    """IVF: items that are scored exactly, once codes of 2 bits a component have chosen them; a search for more hits
    than this scans exactly."""
    exact_below: float | None = Field(default=None, ge=0, le=1)
    """A filter that passes at most this share of items is scanned; unset, where that looks faster."""


class Neighbours(NamedTuple):
    """The nearest rows of each query, best first; both arrays are [query, hit]."""

    scores: Vectors
    rows: Rows


class Reached(NamedTuple):
    """The nearest rows of each query [query, hit] among the vectors that could be reached."""

    scores: Vectors
    rows: Rows
    """-1 after those that were found, where some could not be."""
    coverage: float = 1.0
    """The share of the vectors that was searched; less than 1 only where other machines hold some."""


class VectorIndex(Protocol):
    """Finds the vectors with the largest inner product with a query.

    Laws: scores descend, and equal scores are ordered by ascending row; `search(k)` is a prefix of
    `search(k + 1)`; a row that is not allowed is never returned; there are `min(k, rows allowed)` hits,
    never fewer. A score is the same whatever else is in the batch, and whatever the filter.

    No approximate index can keep all of them at every `k`: a search for as many hits as there are rows has
    to return all rows in order, and so its every prefix would have to be exact. An approximate index says in
    its own docstring where the prefix law pauses.
    """

    def __len__(self) -> int:
        """The number of rows."""

    @property
    def dim(self) -> int:
        """The number of components of a vector."""

    def search(self, queries: Vectors, k: int, allowed: Flags | None = None) -> Neighbours:
        """Find the `k` nearest rows of each query among those allowed.

        Args:
            queries: float32 [query, dim].
            k: how many, at least 1.
            allowed: bool [row], the same for every query; None allows every row.
        """


def recall_against_exact(index: VectorIndex, exact: VectorIndex, queries: Vectors, k: int) -> float:
    """The mean share of the exact `k` nearest rows that `index` finds too, between 0 and 1.

    A row whose score ties with the exact `k`-th counts as found, so that a tie costs nothing.
    """
    if len(queries) == 0:
        raise ValueError("recall_against_exact: no queries to measure with")
    truth, found = exact.search(queries, k), index.search(queries, k)
    if truth.rows.shape[1] == 0:
        return 1.0
    right = found.scores >= truth.scores[:, -1:]
    return float(right.mean())
