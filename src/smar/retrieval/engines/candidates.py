"""What an approximate index does: name a few rows that may be nearest, for an exact score to choose from.

Knows vectors and allowed rows; nothing of items.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from smar.retrieval.index import Rows
from smar.retrieval.vectors import Flags, Vectors


class Candidates(NamedTuple):
    """Rows that may be nearest [query, candidate], -1 where there were too few, and what the index scored them."""

    coarse: Vectors
    rows: Rows


class CandidateIndex(Protocol):
    """Names `depth` candidates a query, the same whatever `k` is asked for, so that the prefix law holds up to it."""

    scores_exactly: bool
    """Whether `coarse` is the inner product up to rounding, or that of rounded vectors."""

    @property
    def depth(self) -> int:
        """How many candidates it names."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and components of the vectors that it is over."""

    def suits(self, k: int, reachable: int) -> bool:
        """Whether it should be asked for `k` of `reachable` allowed rows, rather than all of them scanned."""

    def find(self, queries: Vectors, allowed: Flags | None, reachable: int) -> Candidates:
        """Candidates for each query among the `reachable` rows that are allowed."""

    def write(self, path: Path) -> None:
        """Write it to a file."""
