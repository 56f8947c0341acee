"""Checks a collection before anybody reads it: all rows are there, known items are found, recall is high enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from smar.errors import DataError
from smar.progress import console
from smar.retrieval.engines.milvus.indexes import MilvusIndexes
from smar.retrieval.engines.milvus.schema import PARTITIONS, Side
from smar.retrieval.index import Rows
from smar.retrieval.scan import Side as Exact
from smar.retrieval.scan import scan
from smar.retrieval.selection import Selection
from smar.retrieval.vectors import ItemVectors, Vectors

_CANARIES, _SAMPLE, _RECALL_AT = 16, 64, 50
_LOOKS, _SECONDS_BETWEEN = 50, 0.2
_ROUNDING = 1e-5


def check(
    indexes: MilvusIndexes, vectors: ItemVectors, parts: Mapping[str, Rows], queries: Vectors | None
) -> None:
    """See whether a collection holds `vectors` and finds them.

    Args:
        indexes: the collection.
        vectors: what was sent.
        parts: the rows of each partition.
        queries: float32 [query, dim], on which recall is measured; None takes some items' vectors.

    Raises:
        DataError: rows are missing, an item is not found by its own vector, or recall is below what the address asks.
    """
    address = indexes.collection.address
    for partition, rows in parts.items():
        expected = len(rows) + indexes.facts.witnesses[partition]
        arrived = _settled(lambda partition=partition: indexes.collection.count(partition), expected)  # type: ignore[misc]
        if arrived != expected:
            raise DataError(
                f"{address}: {arrived:,} of {expected:,} rows of {partition} arrived; index again"
            )
    if len(vectors):
        sides: dict[Side, Vectors] = {"text": vectors.text, "multimodal": vectors.multimodal}
        assert sides.keys() == PARTITIONS.keys()
        for side, own in sides.items():
            _check_canaries(indexes, side, own)
            _check_recall(indexes, side, own, own[:_SAMPLE] if queries is None else queries)


def _check_canaries(indexes: MilvusIndexes, side: Side, own: Vectors) -> None:
    known = np.linspace(0, len(own) - 1, min(_CANARIES, len(own))).astype(np.int64)
    found = indexes.nearest(side, own[known], np.ones(len(known), np.float32), 1, _everything(own))
    wrong = sum(
        best < 0 or own[best] @ own[row] < own[row] @ own[row] - _ROUNDING
        for row, best in zip(known, found.rows[:, 0], strict=True)
    )
    if wrong or found.coverage < 1:
        raise DataError(
            f"{indexes.collection.address}: {wrong} of {len(known)} items are not found by their own {side} vectors, "
            f"and {found.coverage:.1%} of them all can be searched; index again"
        )


def _check_recall(indexes: MilvusIndexes, side: Side, own: Vectors, asked: Vectors) -> None:
    address, k = indexes.collection.address, min(_RECALL_AT, len(own))
    exact = scan([Exact(asked, own)], k, None)
    near = indexes.nearest(side, asked, np.ones(len(asked), np.float32), k, _everything(own))
    recall = float(((near.rows >= 0) & (near.scores >= exact.scores[:, -1:] - _ROUNDING)).mean())
    if recall < address.least_recall:
        raise DataError(
            f"{address}: recall of {side} vectors at {k} is {recall:.3f} of an exact search, below "
            f"{address.least_recall}; raise index.ef_search or index.probes, and index again"
        )
    console.print(f"Milvus, {side} vectors: recall at {k} is {recall:.3f} of an exact search")


def _everything(own: Vectors) -> Selection:
    return Selection(np.ones(len(own), np.bool_))


def _settled(count: Callable[[], int], expected: int) -> int:
    """The count when it is as expected, or after ten seconds."""
    found = count()
    for _ in range(_LOOKS):
        if found == expected:
            break
        time.sleep(_SECONDS_BETWEEN)
        found = count()
    return found
