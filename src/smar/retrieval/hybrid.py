"""Fuses rankings: what several searches place high ranks high. Knows ranks alone, no scores and no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from smar.errors import QueryError

DEPTH = 256
"""How many items of each ranking count, however few are asked for: so a shorter answer begins a longer one."""

_DAMPING = 60

Key = TypeVar("Key", str, int)


class Ranker(Protocol):
    """Anything that ranks items for queries."""

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """For each query up to k (item_id, score), best first."""
        ...


@dataclass(frozen=True)
class Hybrid:
    """Reciprocal rank fusion (Cormack et al. 2009): an item scores the sum of 1 / (60 + rank) over `rankers`.

    A ranking in which it is not among the first `DEPTH` adds nothing.
    """

    rankers: tuple[Ranker, ...]

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """Per query up to k (item_id, score), best first, equal scores by item id.

        Raises:
            QueryError: k is below one or above `DEPTH`.
        """
        if not 1 <= k <= DEPTH:
            raise QueryError(f"k = {k}: ask a fused search for 1 to {DEPTH} items")
        rankings = [ranker.rank(queries, DEPTH) for ranker in self.rankers]
        return [
            fuse([[item for item, _ in ranking] for ranking in of_query])[:k]
            for of_query in zip(*rankings, strict=True)
        ]


def fuse(rankings: Sequence[Sequence[Key]]) -> list[tuple[Key, float]]:
    """Sums of 1 / (60 + rank), the largest first, equal ones by key."""
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (_DAMPING + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
