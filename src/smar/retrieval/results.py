"""What a search returns: hits with rank, score and item, and how the query was understood.

Knows nothing of how they were found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

from smar.data.clicks import normalise_query
from smar.data.records import Item

VectorChoice = Literal["text", "multimodal", "soft"]

_TITLE_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found: `rank` counts from 1, `score` is the inner product with the query."""

    rank: int
    score: float
    item: Item

    def __str__(self) -> str:
        title = self.item.title
        if len(title) > _TITLE_WIDTH:
            title = title[: _TITLE_WIDTH - 1] + "…"
        department = f"  [{self.item.department}]" if self.item.department else ""
        return f"{self.rank:>4}  {self.score:.4f}  {title}{department}"


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """The hits of one query, best first; behaves as their sequence and prints as a table."""

    query: str
    """The query as it was given."""
    searched: str
    """What was searched: the same normalised, words that the shop does not know read as known ones."""
    hits: tuple[Hit, ...]
    """Best first; fewer than asked for only if no more items exist or pass the filters."""
    vectors: VectorChoice
    """Which item vectors the query met."""
    gate: float
    """How much the image is expected to help this query: 0 not at all, 1 surely."""
    coverage: float = 1.0
    """The share of the items that was searched; below 1 hits may be missing."""
    is_cut: bool = False
    """Whether the query is too long for the model, which did not read its end."""

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __str__(self) -> str:
        found = "1 hit" if len(self.hits) == 1 else f"{len(self.hits)} hits"
        head = f"{self.query!r}: {found}, {self.vectors} vectors, gate {self.gate:.2f}"
        if self.searched != normalise_query(self.query):
            head += f", searched for {self.searched!r}"
        return "\n".join([head, *(str(hit) for hit in self.hits)])
