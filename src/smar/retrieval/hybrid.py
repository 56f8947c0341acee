"""Fuses rankings: what several searches place high ranks high. Knows ranks alone, no scores and no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smar.errors import QueryError

DEPTH = 1000
"""How many items of each ranking count, however few are asked for: so a shorter answer begins a longer one."""

_DAMPING = 60


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
        return [_fuse(of_query)[:k] for of_query in zip(*rankings, strict=True)]


def _fuse(rankings: Sequence[Sequence[tuple[str, float]]]) -> list[tuple[str, float]]:
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, (item_id, _) in enumerate(ranking, start=1):
            scores[item_id] = scores.get(item_id, 0.0) + 1 / (_DAMPING + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
