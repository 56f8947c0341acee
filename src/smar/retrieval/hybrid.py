"""Fuses two searches, by vectors and by words, by what each says of an item. Knows scores, no vectors and no words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from smar.errors import QueryError

DEPTH = 256
"""How many items of each ranking count, however few are asked for: so a shorter answer begins a longer one."""

_WORDS = 2.0
"""What all of a query's words are worth, in distances from the first item by vectors to the last that counts."""

Key = TypeVar("Key", str, int)


class Ranker(Protocol):
    """Anything that ranks items for queries."""

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """For each query up to k (item_id, score), best first."""
        ...


class WordRanker(Ranker, Protocol):
    """Ranks items by the words that they share with a query."""

    def weight(self, query: str) -> float:
        """What the words of a query weigh together: the most that an item can score."""
        ...


@dataclass(frozen=True)
class Hybrid:
    """Ranks the items that either of two searches finds, by `fuse`."""

    vectors: Ranker
    words: WordRanker

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """Per query up to k (item_id, score), best first, equal scores by item id.

        Raises:
            QueryError: k is below one or above `DEPTH`.
        """
        if not 1 <= k <= DEPTH:
            raise QueryError(f"k = {k}: ask a fused search for 1 to {DEPTH} items")
        rankings = self.vectors.rank(queries, DEPTH), self.words.rank(queries, DEPTH)
        return [
            fuse(by_vectors, by_words, self.words.weight(query))[:k]
            for query, by_vectors, by_words in zip(queries, *rankings, strict=True)
        ]


def fuse(
    by_vectors: Sequence[tuple[Key, float]], by_words: Sequence[tuple[Key, float]], weight: float
) -> list[tuple[Key, float]]:
    """Items of two rankings by the sum of what each says, the largest first, equal ones by key.

    Scores are summed, as in Bruch et al. (2023), since ranks forget by how much one item is better than the next. By
    vectors an item has from 1 for the first to 0 for the last; by words, twice the share of the query that it has
    beyond the last, so that a word of many items lifts none of them, and that words count little where no item has the
    query's rare ones (our choice). What a ranking does not have is worth nothing in it.

    Args:
        by_vectors: (key, score), best first, at most `DEPTH` of them.
        by_words: the same; if they are fewer than `DEPTH`, no other item has any of the words.
        weight: what the query's words weigh together, in units of the scores by words.
    """
    scores: dict[Key, float] = {}
    if by_vectors:
        last = by_vectors[-1][1]
        spread = by_vectors[0][1] - last
        scores = {key: (score - last) / spread if spread > 0 else 0.0 for key, score in by_vectors}
    unheard = by_words[-1][1] if len(by_words) >= DEPTH else 0.0
    for key, score in by_words:
        scores[key] = scores.get(key, 0.0) + _WORDS * (score - unheard) / weight
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
