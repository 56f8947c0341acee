"""Checks a collection before anybody reads it: all rows are there, known items are found, recall is high enough.

A part that the cluster moves to another node is missing meanwhile, for half a minute at times: so what is missing is
looked for again, until two minutes are over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

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
_SECONDS, _SECONDS_BETWEEN = 120.0, 0.2
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
    looks = [partial(_check_count, indexes, partition, len(rows)) for partition, rows in parts.items()]
    if len(vectors):
        sides: dict[Side, Vectors] = {"text": vectors.text, "multimodal": vectors.multimodal}
        assert sides.keys() == PARTITIONS.keys()
        for side, own in sides.items():
            asked = own[:_SAMPLE] if queries is None else queries
            looks += [
                partial(_check_canaries, indexes, side, own),
                partial(_check_recall, indexes, side, own, asked),
            ]
    with console.status("Milvus is asked for what it got"):
        until = time.monotonic() + _SECONDS
        for look in looks:
            _until_there(look, until)


class _MissingError(DataError):
    """Something is not there, or not yet."""


def _until_there(look: Callable[[], None], until: float) -> None:
    while True:
        try:
            look()
        except _MissingError:
            if time.monotonic() > until:
                raise
        else:
            return
        time.sleep(_SECONDS_BETWEEN)


def _check_count(indexes: MilvusIndexes, partition: str, rows: int) -> None:
    expected = rows + indexes.facts.witnesses[partition]
    arrived = indexes.collection.count(partition)
    if arrived != expected:
        raise _MissingError(
            f"{indexes.collection.address}: {arrived:,} of {expected:,} rows of {partition} arrived; index again"
        )


def _check_canaries(indexes: MilvusIndexes, side: Side, own: Vectors) -> None:
    known = np.linspace(0, len(own) - 1, min(_CANARIES, len(own))).astype(np.int64)
    found = indexes.nearest(side, own[known], np.ones(len(known), np.float32), 1, _everything(own))
    wrong = sum(
        best < 0 or own[best] @ own[row] < own[row] @ own[row] - _ROUNDING
        for row, best in zip(known, found.rows[:, 0], strict=True)
    )
    if wrong or found.coverage < 1:
        raise (_MissingError if found.coverage < 1 else DataError)(
            f"{indexes.collection.address}: {wrong} of {len(known)} items are not found by their own {side} vectors, "
            f"and {found.coverage:.1%} of them all can be searched; index again"
        )


def _check_recall(indexes: MilvusIndexes, side: Side, own: Vectors, asked: Vectors) -> None:
    address, k = indexes.collection.address, min(_RECALL_AT, len(own))
    exact = scan([Exact(asked, own)], k, None)
    near = indexes.nearest(side, asked, np.ones(len(asked), np.float32), k, _everything(own))
    recall = float(((near.rows >= 0) & (near.scores >= exact.scores[:, -1:] - _ROUNDING)).mean())
    if recall < address.least_recall:
        raise (_MissingError if near.coverage < 1 else DataError)(
            f"{address}: recall of {side} vectors at {k} is {recall:.3f} of an exact search, below "
            f"{address.least_recall}; raise index.ef_search or index.probes, and index again"
        )
    console.print(f"Milvus, {side} vectors: recall at {k} is {recall:.3f} of an exact search")


def _everything(own: Vectors) -> Selection:
    return Selection(np.ones(len(own), np.bool_))
