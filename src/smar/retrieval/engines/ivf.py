"""Candidates from inverted lists: vectors lie in cells, as codes of 2 bits a component; the lists are faiss's.

A tenth of the memory of the vectors, quick to build, and changed in place when some items change.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import faiss as library
import numpy as np

from smar.retrieval.engines.candidates import Candidates
from smar.retrieval.index import IndexConfig, Rows
from smar.retrieval.vectors import Flags, Vectors

# Its type stubs describe the C++ signatures, not those of Python.
faiss: Any = library

_SAMPLED = 64
"""Vectors a cell that the cells are learnt from, at most."""
_ROUNDS = 10
"""Of k-means: 25 take twice as long and find no more (recall@50 over a million items .980, of 10 rounds .982)."""
_CODE_BITS = 4
"""Of a code for two components: as many as a register of the processor looks up at once."""
_SCANNED = 4_000_000
"""Components: rows of so many in all are scanned sooner than looked up (16,000 rows of 256)."""
_MARGIN = 2
"""A filter may pass fewer near the query than elsewhere: so many times more cells are looked into."""
_MOST = 0.1
"""Of all cells, at most so many are looked into, or as many as without a filter if these are more."""


class InvertedLists:
    """Cells around means (k-means, seeded), each with codes of how its vectors differ from the mean.

    A code of 4 bits stands for two components (product quantisation, faiss's fast scan): docs/decisions/0021.
    """

    scores_exactly = False

    def __init__(self, lists: Any, config: IndexConfig) -> None:
        self._lists = lists
        self._config = config

    @classmethod
    def build(cls, vectors: Vectors, config: IndexConfig) -> InvertedLists:
        """Learn the cells from a sample, and put every vector into its own."""
        items, dim = vectors.shape
        count = min(config.lists or max(1, round(4 * math.sqrt(items))), items)
        means = faiss.IndexFlatIP(dim)
        parts = dim // 2 if dim % 2 == 0 else dim
        lists = faiss.IndexIVFPQFastScan(means, dim, count, parts, _CODE_BITS, faiss.METRIC_INNER_PRODUCT)
        lists.by_residual = True
        lists.cp.seed, lists.cp.niter = 0, _ROUNDS
        lists.cp.min_points_per_centroid = lists.pq.cp.min_points_per_centroid = 1
        sample = np.random.default_rng(0).permutation(items)[: _SAMPLED * count]
        # Codes are learnt from as many vectors at least as there are of them.
        sample = np.resize(np.sort(sample), max(len(sample), 2**_CODE_BITS))
        lists.train(np.ascontiguousarray(vectors[sample]))
        lists.add(np.ascontiguousarray(vectors))
        return cls(lists, config)

    @classmethod
    def read(cls, path: Path, config: IndexConfig) -> InvertedLists:
        """Open what `write` wrote, mapped into memory."""
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), config)

    def write(self, path: Path) -> None:
        """Write cells and codes."""
        faiss.write_index(self._lists, str(path))

    @property
    def depth(self) -> int:
        """`candidates`."""
        return self._config.candidates

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and components."""
        return int(self._lists.ntotal), int(self._lists.d)

    def suits(self, k: int, reachable: int) -> bool:
        """Whether looking cells up is cheaper than scanning, and finds enough."""
        below = self._config.exact_below
        items, dim = self.shape
        scanned = _SCANNED / dim if below is None else below * items
        return k <= self.depth < reachable and reachable > scanned

    def find(self, queries: Vectors, allowed: Flags | None, reachable: int) -> Candidates:
        """Look into the cells whose means are nearest to a query; a filter has more of them looked into."""
        selector = (
            None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        )
        probes = self._config.probes
        if allowed is not None:
            wider = math.ceil(_MARGIN * probes * self.shape[0] / reachable)
            probes = max(probes, min(wider, math.ceil(_MOST * self._lists.nlist)))
        settings = faiss.SearchParametersIVF(sel=selector, nprobe=probes)
        return Candidates(*self._lists.search(queries, self.depth, params=settings))

    def changed(self, moved: Rows, vectors: Vectors) -> InvertedLists:
        """Lists over other vectors, most of which lie here already.

        Args:
            moved: for each row of these lists, the row of the same vector among `vectors`, or -1.
            vectors: float32 [row, dim], all of them.
        """
        # A clone would share lists that are mapped into memory, which cannot be written.
        lists = faiss.deserialize_index(faiss.serialize_index(self._lists))
        lists.remove_ids(np.flatnonzero(moved < 0))
        for number in range(lists.nlist):
            size = lists.invlists.list_size(number)
            if size:
                rows = faiss.rev_swig_ptr(lists.invlists.get_ids(number), size)
                rows[:] = moved[rows]
        is_new = np.ones(len(vectors), np.bool_)
        is_new[moved[moved >= 0]] = False
        added = np.flatnonzero(is_new)
        if len(added):
            lists.add_with_ids(np.ascontiguousarray(vectors[added]), added)
        return InvertedLists(lists, self._config)
