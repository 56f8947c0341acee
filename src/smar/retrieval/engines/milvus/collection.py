"""Searches a collection, tries again where a node is lost, and says how much of it was searched. Knows keys, no items.

Milvus may leave out parts of a collection without a word while nodes come and go. So each collection holds *witnesses*:
rows of no item, strewn over its parts, near one known vector and a little longer than those of items, so that it finds
them before any item. Each request searches for that vector too, over the same
parts as for the query; the share of witnesses that it brings back is the share of the parts that were there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from smar.errors import QueryError, Unavailable
from smar.retrieval.engines.milvus.address import MilvusAddress, cluster_errors, may_pass, reason
from smar.retrieval.engines.milvus.schema import KEY, VECTOR
from smar.retrieval.index import Rows
from smar.retrieval.vectors import Vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Answer = TypeVar("Answer")

_ID = "id"
"""What a hit calls its key."""
DEEPEST = 16_384
"""Rows that Milvus returns for a query at most."""
_TRIES_FOR_THE_WHOLE = 3
_LEAST_SECONDS = 0.05
_PAUSES = (0.02, 0.05, 0.1, 0.2)
_ROUNDS = np.float32(2**-20)
"""Scores are rounded to this: the same vector may be scored with other last bits in another part."""


_CALLS = ThreadPoolExecutor(64, thread_name_prefix="milvus")


class Matches(NamedTuple):
    """Keys and scores of each query, best first, and the share of the collection that was searched."""

    keys: list[Rows]
    scores: list[Vectors]
    coverage: float


@dataclass(frozen=True)
class Collection:
    """A filled collection; `witnesses` says how many rows of no item each partition has."""

    client: MilvusClient
    address: MilvusAddress
    name: str
    witness: Vectors
    """The vector that they are near, float32 [dim]."""
    witnesses: dict[str, int]
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the index, for a search."""

    def search(
        self,
        queries: Vectors,
        partitions: Sequence[str],
        k: int,
        expression: str = "",
        until: float = math.inf,
    ) -> Matches:
        """The `k` best keys of each query in some partitions, of those that pass `expression`.

        `until` is when the answer is needed, in seconds of `time.monotonic`; `address.seconds` may be sooner.

        Raises:
            QueryError: Milvus does not go so deep.
            Unavailable: nothing answered in time, or no part of the collection could be reached.
        """
        expected = sum(self.witnesses[partition] for partition in partitions)
        limit = k + expected
        if limit > DEEPEST:
            raise QueryError(f"k = {k}: a cluster is searched {DEEPEST - expected:,} hits deep; ask for less")
        asked = np.concatenate([queries, self.witness[None]])
        until = min(until, time.monotonic() + self.address.seconds)
        best: Matches | None = None
        tries = 0
        # Where not one witness came back, nothing was searched: that is no answer, as long as there is time.
        while tries < _TRIES_FOR_THE_WHOLE or (best is not None and not best.coverage):
            try:
                found = self._try(
                    lambda seconds: self.client.search(
                        self.name,
                        asked.tolist(),
                        filter=expression,
                        limit=limit,
                        anns_field=VECTOR,
                        search_params={"metric_type": "IP", "params": self._params(limit)},
                        partition_names=list(partitions),
                        consistency_level="Eventually",
                        timeout=seconds,
                    ),
                    until,
                )
            except Unavailable:
                if best is None:
                    raise
                break
            matches = _read(found, k, expected)
            if best is None or matches.coverage > best.coverage:
                best = matches
            if best.coverage == 1 or time.monotonic() > until:
                break
            if not best.coverage:
                time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
        assert best is not None
        if not best.coverage:
            raise Unavailable(f"{self.address}: nothing of {self.name} could be reached")
        return best

    def vectors(self, keys: Sequence[int], until: float = math.inf) -> Vectors:
        """The vectors of some keys, in their order.

        Raises:
            Unavailable: nothing answered in time, or not all of them could be reached.
        """
        until = min(until, time.monotonic() + self.address.seconds)
        wanted = sorted(set(keys))
        while True:
            found = self._try(
                lambda seconds: self.client.query(
                    self.name,
                    filter=f"{KEY} in {wanted}",
                    output_fields=[KEY, VECTOR],
                    consistency_level="Eventually",
                    timeout=seconds,
                ),
                until,
            )
            by_key = {int(row[KEY]): row[VECTOR] for row in found}
            if len(by_key) == len(wanted):
                return np.array([by_key[key] for key in keys], np.float32).reshape(len(keys), -1)
            if time.monotonic() > until:
                raise Unavailable(f"{self.name}: {len(by_key)} of {len(wanted)} vectors could be reached")
            time.sleep(_PAUSES[-1])

    def count(self, partition: str) -> int:
        """How many rows of a partition can be found now, witnesses too."""
        (row,) = self._try(
            lambda seconds: self.client.query(
                self.name,
                filter="",
                output_fields=["count(*)"],
                partition_names=[partition],
                timeout=seconds,
            ),
            time.monotonic() + self.address.seconds,
        )
        return int(row["count(*)"])

    def _params(self, limit: int) -> dict[str, Any]:
        return {name: max(value, limit) if name == "ef" else value for name, value in self.settings.items()}

    def _try(self, call: Callable[[float], Answer], until: float) -> Answer:
        """The answer of a call that is told its seconds, tried again until the time is over."""
        tries = 0
        while True:
            # Another try may find another node, so that none waits for all the time that is left.
            seconds = max(_LEAST_SECONDS, (until - time.monotonic()) / 2)
            try:
                # The client keeps to its seconds but where it mends its connection, which takes it up to half a minute.
                return _CALLS.submit(call, seconds).result(seconds + _LEAST_SECONDS)
            except cluster_errors() as error:
                if time.monotonic() >= until or not may_pass(error):
                    raise Unavailable(
                        f"{self.address}: {self.name} does not answer ({reason(error)})"
                    ) from error
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1


def rounded(scores: Vectors) -> Vectors:
    """Scores without the last bits, in which the same vector may differ from itself."""
    return np.asarray(np.round(scores / _ROUNDS) * _ROUNDS, np.float32)


def _read(found: Sequence[Sequence[Any]], k: int, expected: int) -> Matches:
    *answers, witnesses = found
    coverage = sum(hit[_ID] < 0 for hit in witnesses) / expected if expected else 1.0
    keys, scores = [], []
    for hits in answers:
        of_items = [(hit[_ID], hit["distance"]) for hit in hits if hit[_ID] >= 0]
        found_scores = rounded(np.array([score for _, score in of_items], np.float32))
        found_keys = np.array([key for key, _ in of_items], np.int64)
        order = np.lexsort((found_keys, -found_scores))[:k]
        keys.append(found_keys[order])
        scores.append(found_scores[order])
    return Matches(keys, scores, min(1.0, coverage))
