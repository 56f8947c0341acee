"""Exact search by scanning every vector, and the one definition of a score.

Knows only arrays: nothing of graphs, items or what the vectors stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smar.retrieval.index import Neighbours, Rows
from smar.retrieval.vectors import Flags, Vectors

_CELLS = 2**24
_BLOCK = 65_536
_RESCORED = 8_192
_ROUNDING = 2.0**-24


@dataclass(frozen=True, eq=False)
class Side:
    """Queries [query, dim] and the unit vectors [item, dim] they meet; a score is the sum over the sides."""

    queries: Vectors
    vectors: Vectors


def scan(sides: Sequence[Side], k: int, allowed: Flags | None = None) -> Neighbours:
    """The `k` rows with the largest scores among those allowed; equal scores by ascending row.

    A score is the inner product in double precision, summed over the sides and rounded to float32. It
    depends on the query's and the item's vectors alone, so it is the same in every batch, at every `k` and
    under every filter, and equal vectors tie. Matrix products do not give that (their last bits depend on
    the shapes), so they only choose candidates: all rows whose product comes within the rounding error of
    the `k`-th best.
    """
    items, queries = len(sides[0].vectors), len(sides[0].queries)
    rows = np.arange(items) if allowed is None else np.flatnonzero(allowed)
    found = min(k, len(rows))
    best = Neighbours(np.empty((queries, found), np.float32), np.empty((queries, found), np.int64))
    if found == 0:
        return best
    batch = max(1, _CELLS // len(rows))
    for start in range(0, queries, batch):
        chunk = [Side(side.queries[start : start + batch], side.vectors) for side in sides]
        for offset, coarse in enumerate(_products(chunk, None if allowed is None else rows, allowed)):
            query = start + offset
            best.scores[query], best.rows[query] = settle(sides, query, coarse, rows, found)
    return best


def settle(sides: Sequence[Side], query: int, coarse: Vectors, rows: Rows, k: int) -> tuple[Vectors, Rows]:
    """The best `k` of `rows` for one query, scored exactly; `coarse` are the same up to rounding error."""
    if k < len(rows):
        boundary = np.partition(coarse, len(rows) - k)[len(rows) - k]
        rows = rows[coarse >= boundary - _slack(sides, query)]
    return rank_rows(sides, query, rows, k)


def rank_rows(sides: Sequence[Side], query: int, rows: Rows, k: int) -> tuple[Vectors, Rows]:
    """The best `k` of `rows` for one query: their exact scores, descending, and the rows."""
    rows = np.sort(rows)
    exact = np.zeros(len(rows), np.float64)
    for side in sides:
        wanted = side.queries[query].astype(np.float64)
        for start in range(0, len(rows), _RESCORED):
            block = slice(start, start + _RESCORED)
            exact[block] += (side.vectors[rows[block]] * wanted).sum(axis=1)
    scores = exact.astype(np.float32)
    order = np.argsort(-scores, kind="stable")[:k]
    return scores[order], rows[order]


def _slack(sides: Sequence[Side], query: int) -> float:
    # A float32 inner product of n terms is off by at most about n * 2^-24 * |query| * |item|, in any order
    # of summation. Both the boundary and the row compared with it can be off; 8 terms more cover the sum over
    # the sides and the final rounding.
    reach = sum(float(np.linalg.norm(side.queries[query])) for side in sides)
    return 2 * (int(sides[0].vectors.shape[1]) + 8) * _ROUNDING * 1.01 * float(reach)


def _products(sides: Sequence[Side], rows: Rows | None, allowed: Flags | None) -> Vectors:
    """Scores up to rounding error, float32 [query, row]."""
    if rows is None or allowed is None:
        return _sum_of_products(sides, slice(None))
    products = np.empty((len(sides[0].queries), len(rows)), np.float32)
    filled = 0
    for start in range(0, len(allowed), _BLOCK):
        passes = allowed[start : start + _BLOCK]
        count = int(np.count_nonzero(passes))
        if count * 2 > len(passes):
            # Gathering most of a block costs more than multiplying all of it.
            block = _sum_of_products(sides, slice(start, start + _BLOCK))[:, passes]
        else:
            block = _sum_of_products(sides, rows[filled : filled + count])
        products[:, filled : filled + count] = block
        filled += count
    return products


def _sum_of_products(sides: Sequence[Side], rows: slice | Rows) -> Vectors:
    total: NDArray[np.float32] = sides[0].queries @ np.asarray(sides[0].vectors[rows]).T
    for side in sides[1:]:
        total += side.queries @ np.asarray(side.vectors[rows]).T
    return total
