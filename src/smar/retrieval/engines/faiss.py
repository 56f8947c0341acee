"""Search over unit vectors: a scan of all, or of the candidates that an approximate index names.

Knows vectors and allowed rows; nothing of items, text or filters' fields.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from smar.errors import DataError, MismatchError, QueryError
from smar.files import whole_folder
from smar.retrieval.engines.candidates import CandidateIndex
from smar.retrieval.engines.hnsw import HnswGraph
from smar.retrieval.engines.ivf import InvertedLists
from smar.retrieval.index import IndexConfig, Neighbours, Rows
from smar.retrieval.scan import Side, scan, settle
from smar.retrieval.vectors import Flags, Vectors

_SETTINGS = "index.json"
_FILE = "graph.faiss"
_MOST_CHANGED = 0.2
"""Of so large a share of rows since the cells were learnt, they are learnt anew."""


class FaissIndex:
    """A `VectorIndex` over unit vectors: a scan, an HNSW graph, or inverted lists, all scored as a scan scores.

    `kind = "exact"` keeps every law of `VectorIndex` at every `k`.

    `hnsw` and `ivf` keep all of them but one: the prefix law holds among all `k` up to their number of candidates
    and among all `k` above it, not from the one to the other. Up to that number they name the same candidates
    whatever `k` is; these are scored exactly, sorted by (score, row) and cut at `k`. Above it, and wherever fewer
    candidates are named than that or a filter passes few, the search is an exact scan, so no hit that exists is
    missing from the count.
    """

    def __init__(
        self,
        vectors: Vectors,
        config: IndexConfig,
        approximate: CandidateIndex | None = None,
        changed: int = 0,
    ) -> None:
        self.vectors = vectors
        self.config = config
        self.changed = changed
        """Rows that came or went since the approximate index was built from nothing."""
        self._approximate = approximate

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig) -> FaissIndex:
        """Index unit `vectors`, float32 [row, dim]; they are kept, not copied, unless there is a graph."""
        if config.kind == "exact" or len(vectors) == 0:
            return cls(vectors, config)
        kind = HnswGraph if config.kind == "hnsw" else InvertedLists
        return cls(vectors, config, kind.build(vectors, config))

    def changed_to(self, vectors: Vectors, moved: Rows) -> FaissIndex:
        """An index of the same kind over other `vectors`, most of which this one has.

        Inverted lists are changed where vectors changed; a graph is built anew.

        Args:
            vectors: unit vectors, float32 [row, dim].
            moved: for each row of this index, the row of the same vector among `vectors`, or -1.
        """
        kept = int(np.count_nonzero(moved >= 0))
        changed = self.changed + (len(moved) - kept) + (len(vectors) - kept)
        if not isinstance(self._approximate, InvertedLists) or changed > _MOST_CHANGED * len(vectors):
            return FaissIndex.build(vectors, self.config)
        return FaissIndex(vectors, self.config, self._approximate.changed(moved, vectors), changed)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return int(self.vectors.shape[1])

    @property
    def depth(self) -> int:
        """How many hits can be asked for before all vectors are scanned; 0 if they always are."""
        return 0 if self._approximate is None else self._approximate.depth

    def search(self, queries: Vectors, k: int, allowed: Flags | None = None) -> Neighbours:
        """Find the `k` nearest rows of each query among those allowed.

        Raises:
            QueryError: `k` is below 1.
            MismatchError: the queries or `allowed` do not fit the index, or a query is not finite.
        """
        queries = self._check(queries, k, allowed)
        reachable = len(self) if allowed is None else int(np.count_nonzero(allowed))
        if self._approximate is None or not self._approximate.suits(k, reachable):
            return scan([Side(queries, self.vectors)], k, allowed)
        coarse, rows = self._approximate.find(queries, allowed, reachable)
        best = Neighbours(np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64))
        sides = [Side(queries, self.vectors)]
        # Whether a query falls back must not depend on `k`, or the prefix law would break.
        short = (rows < 0).any(axis=1)
        for query in np.flatnonzero(~short):
            named, scores = rows[query], coarse[query]
            if not self._approximate.scores_exactly:
                scores = self.vectors[named] @ queries[query]
            best.scores[query], best.rows[query] = settle(sides, int(query), scores, named, k)
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
        """Write the settings and the approximate index, not the vectors, to `folder`, whole or not at all."""
        with whole_folder(folder) as part:
            facts = {
                "rows": len(self),
                "dim": self.dim,
                "changed": self.changed,
                "config": self.config.model_dump(mode="json"),
            }
            (part / _SETTINGS).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            if self._approximate is not None:
                self._approximate.write(part / _FILE)

    @classmethod
    def load(cls, folder: Path, vectors: Vectors) -> FaissIndex:
        """Read what `save` wrote, over the same `vectors`; it stays on disk, mapped into memory.

        Raises:
            DataError: a file is missing or unreadable.
            MismatchError: the index was built over vectors of another number or size.
        """
        approximate: CandidateIndex | None = None
        try:
            facts = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
            config = IndexConfig.check(facts["config"], where=str(folder / _SETTINGS))
            size, changed = (facts["rows"], facts["dim"]), int(facts["changed"])
            if config.kind != "exact" and size[0]:
                kind = HnswGraph if config.kind == "hnsw" else InvertedLists
                approximate = kind.read(folder / _FILE, config)
                size = approximate.shape
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{folder}: holds no readable index ({reason}); index the shop again") from error
        if size != vectors.shape:
            raise MismatchError(
                f"{folder}: the index is over {size[0]} vectors of {size[1]} components, those given are "
                f"{vectors.shape}; index the shop again"
            )
        return cls(vectors, config, approximate, changed)
