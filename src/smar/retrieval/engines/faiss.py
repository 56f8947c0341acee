"""Exact and HNSW search over unit vectors, the graph being faiss's.

Knows vectors and allowed rows; nothing of items, text or filters' fields.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import faiss as library
import numpy as np

from smar.errors import DataError, MismatchError, QueryError
from smar.files import whole_folder
from smar.retrieval.index import IndexConfig, Neighbours
from smar.retrieval.scan import Side, scan, settle
from smar.retrieval.vectors import Flags, Vectors

# Its type stubs describe the C++ signatures, not those of Python.
faiss: Any = library

_SETTINGS = "index.json"
_GRAPH = "graph.faiss"


class FaissIndex:
    """A `VectorIndex` over unit vectors: a scan, or a faiss HNSW graph, scored as a scan scores.

    `kind = "exact"` has no graph and keeps every law of `VectorIndex` at every `k`.

    `kind = "hnsw"` keeps all of them but one: the prefix law holds among all `k` up to `ef_search` and among
    all `k` above it, not from the one to the other. Up to `ef_search`, the graph yields the same `ef_search`
    candidates whatever `k` is; they are scored exactly, sorted by (score, row) and cut at `k`. Above it, and
    wherever the graph yields fewer candidates than that or a filter passes few (`exact_below`), the search is
    an exact scan, so no hit that exists is missing from the count.

    The graph is built by several threads in no fixed order, so two builds may differ in what they overlook;
    set OMP_NUM_THREADS=1 for two equal graphs.
    """

    def __init__(self, vectors: Vectors, config: IndexConfig, graph: Any = None) -> None:
        self.vectors = vectors
        self.config = config
        self._graph = graph

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig) -> FaissIndex:
        """Index unit `vectors`, float32 [row, dim]; they are kept, not copied, unless there is a graph."""
        if config.kind == "exact":
            return cls(vectors, config)
        graph = faiss.IndexHNSWFlat(vectors.shape[1], config.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = config.ef_construction
        graph.add(np.ascontiguousarray(vectors))
        return cls(vectors, config, graph)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return int(self.vectors.shape[1])

    def search(self, queries: Vectors, k: int, allowed: Flags | None = None) -> Neighbours:
        """Find the `k` nearest rows of each query among those allowed.

        Raises:
            QueryError: `k` is below 1.
            MismatchError: the queries or `allowed` do not fit the index, or a query is not finite.
        """
        queries = self._check(queries, k, allowed)
        reachable = len(self) if allowed is None else int(np.count_nonzero(allowed))
        if self._graph is None or not self._suits_graph(k, reachable):
            return scan([Side(queries, self.vectors)], k, allowed)
        return self._walk(queries, k, allowed, reachable)

    def _suits_graph(self, k: int, reachable: int) -> bool:
        depth, items = self.config.ef_search, len(self)
        if not k <= depth < reachable:
            return False
        if reachable == items:
            return True
        if self.config.exact_below is not None:
            return reachable > self.config.exact_below * items
        # A scan looks at `reachable` vectors, a filtered walk at about `links` for each candidate it keeps.
        return reachable > self._breadth(reachable) * self.config.links

    def _breadth(self, reachable: int) -> int:
        # faiss counts rows that are not allowed among its efSearch candidates, so a filter needs more of
        # them; twice as many leave room for a filter that passes fewer near the query than elsewhere.
        filtered = reachable < len(self)
        return math.ceil(self.config.ef_search * (2 * len(self) / reachable if filtered else 1))

    def _walk(self, queries: Vectors, k: int, allowed: Flags | None, reachable: int) -> Neighbours:
        depth = self.config.ef_search
        selector = (
            None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        )
        settings = faiss.SearchParametersHNSW(sel=selector, efSearch=self._breadth(reachable))
        coarse, rows = self._graph.search(queries, depth, params=settings)
        best = Neighbours(np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64))
        sides = [Side(queries, self.vectors)]
        # Whether a query falls back must not depend on `k`, or the prefix law would break.
        short = (rows < 0).any(axis=1)
        for query in np.flatnonzero(~short):
            best.scores[query], best.rows[query] = settle(sides, int(query), coarse[query], rows[query], k)
        if short.any():
            best.scores[short], best.rows[short] = scan([Side(queries[short], self.vectors)], k, allowed)
        return best

    def _check(self, queries: Vectors, k: int, allowed: Flags | None) -> Vectors:
        if k < 1:
            raise QueryError(f"k = {k}: a search asks for at least one hit")
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise MismatchError(
                f"query vectors have shape {queries.shape}, those of the index have {self.dim} components; "
                "embed the queries with the model that embedded the items"
            )
        if allowed is not None and (allowed.shape != (len(self),) or allowed.dtype != np.bool_):
            raise MismatchError(
                f"allowed rows are {allowed.dtype} {allowed.shape}, the index has {len(self)} rows; "
                "compile the filter against the catalogue that was indexed"
            )
        if not np.isfinite(queries).all():
            raise MismatchError("a query's vector is not finite; check the model that embedded it")
        return np.ascontiguousarray(queries, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write the settings and the graph, not the vectors, to `folder`, whole or not at all."""
        with whole_folder(folder) as part:
            facts = {"rows": len(self), "dim": self.dim, "config": self.config.model_dump(mode="json")}
            (part / _SETTINGS).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            if self._graph is not None:
                faiss.write_index(self._graph, str(part / _GRAPH))

    @classmethod
    def load(cls, folder: Path, vectors: Vectors) -> FaissIndex:
        """Read what `save` wrote, over the same `vectors`; the graph stays on disk, mapped into memory.

        Raises:
            DataError: a file is missing or unreadable.
            MismatchError: the index was built over vectors of another number or size.
        """
        graph = None
        try:
            facts = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
            config = IndexConfig.check(facts["config"], where=str(folder / _SETTINGS))
            size = (facts["rows"], facts["dim"])
            if config.kind == "hnsw":
                graph = faiss.read_index(str(folder / _GRAPH), faiss.IO_FLAG_MMAP_IFC)
                size = (graph.ntotal, graph.d)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{folder}: holds no readable index ({reason}); index the shop again") from error
        if size != vectors.shape:
            raise MismatchError(
                f"{folder}: the index is over {size[0]} vectors of {size[1]} components, those given are "
                f"{vectors.shape}; index the shop again"
            )
        return cls(vectors, config, graph)
