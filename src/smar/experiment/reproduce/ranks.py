"""A ranking as the ranks of its relevant items: all that a measure asks of it, in few bytes, and without naming items.

Knows lists of item ids.
"""

from __future__ import annotations

from collections.abc import Sequence

_UNKNOWN = "(not kept)"


def ranks_of(relevant: Sequence[str], found: Sequence[str]) -> list[int]:
    """The rank of each of `relevant` in `found`, from 1; 0 where it is not there."""
    places = {item: rank for rank, item in enumerate(found, start=1)}
    return [places.get(item, 0) for item in relevant]


def ranking_of(ranks: Sequence[int], relevant: Sequence[str], depth: int) -> list[str]:
    """`depth` items with those of `relevant` at their `ranks`, and unknown ones elsewhere."""
    found = [f"{_UNKNOWN} {rank}" for rank in range(1, depth + 1)]
    for rank, item in zip(ranks, relevant, strict=True):
        if rank:
            found[rank - 1] = item
    return found


def is_unknown(item_id: str) -> bool:
    """Whether this stands for an item whose id was not kept."""
    return item_id.startswith(_UNKNOWN)
