"""Candidates from a graph of neighbours (HNSW, Malkov and Yashunin 2016), the graph being faiss's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import faiss as library
import numpy as np

from smar.retrieval.engines.candidates import Candidates
from smar.retrieval.index import IndexConfig
from smar.retrieval.vectors import Flags, Vectors

# Its type stubs describe the C++ signatures, not those of Python.
faiss: Any = library


class HnswGraph:
    """A graph over unit vectors, of which it keeps a copy.

    Built by several threads in no fixed order, so two graphs may differ in what they overlook; set
    OMP_NUM_THREADS=1 for two equal ones.
    """

    scores_exactly = True

    def __init__(self, graph: Any, config: IndexConfig) -> None:
        self._graph = graph
        self._config = config

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig) -> HnswGraph:
        """Link every vector to its neighbours."""
        graph = faiss.IndexHNSWFlat(vectors.shape[1], config.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = config.ef_construction
        graph.add(np.ascontiguousarray(vectors))
        return cls(graph, config)

    @classmethod
    def read(cls, path: Path, config: IndexConfig) -> HnswGraph:
        """Open what `write` wrote, mapped into memory."""
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), config)

    def write(self, path: Path) -> None:
        """Write the graph with its vectors."""
        faiss.write_index(self._graph, str(path))

    @property
    def depth(self) -> int:
        """`ef_search`."""
        return self._config.ef_search

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and components."""
        return int(self._graph.ntotal), int(self._graph.d)

    def suits(self, k: int, reachable: int) -> bool:
        """Whether walking looks cheaper than scanning, and finds enough."""
        items = self.shape[0]
        if not k <= self.depth < reachable:
            return False
        if reachable == items:
            return True
        if self._config.exact_below is not None:
            return reachable > self._config.exact_below * items
        # A scan looks at `reachable` vectors, a filtered walk at about `links` for each candidate it keeps.
        return reachable > self._breadth(reachable) * self._config.links

    def find(self, queries: Vectors, allowed: Flags | None, reachable: int) -> Candidates:
        """Walk the graph once for each query."""
        selector = (
            None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        )
        settings = faiss.SearchParametersHNSW(sel=selector, efSearch=self._breadth(reachable))
        return Candidates(*self._graph.search(queries, self.depth, params=settings))

    def _breadth(self, reachable: int) -> int:
        # faiss counts rows that are not allowed among its efSearch candidates, so a filter needs more of
        # them; twice as many leave room for a filter that passes fewer near the query than elsewhere.
        items = self.shape[0]
        return math.ceil(self.depth * (2 * items / reachable if reachable < items else 1))
