"""What may be asked of the service, with limits and examples. Knows nothing of answering."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from smar.retrieval.engine import ImageMode
from smar.serving.wire import Number, Value, Wire

SearchMode = Literal["semantic", "lexical", "hybrid"]
"""`semantic` searches vectors, `lexical` words (BM25), `hybrid` sums what both say."""
LONGEST_QUERY = 500
MOST_HITS = 200
DEEPEST = 1000
MOST_QUERIES = 64
MOST_ITEMS = 1000
Values = Annotated[list[Value], Field(max_length=200)]
Words = Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY, examples=["striped navy jumper"])]
Depth = Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits.")]
Offset = Annotated[
    int, Field(ge=0, le=DEEPEST - MOST_HITS, description="How many of the best hits to leave out.")
]
RunName = Annotated[str, Field(min_length=1, max_length=255)]
User = Annotated[str, Field(min_length=1, max_length=200)]
ItemId = Annotated[str, Field(min_length=1, max_length=500)]


class Range(Wire):
    """Both ends included; either may be left out."""

    min: Number | None = None
    """The least value."""
    max: Number | None = None
    """The greatest value."""


class Boost(Wire):
    """Items that pass the filter rank higher: by `weight` times the best hit's score."""

    field: str = Field(examples=["brand"])
    """An attribute of the items."""
    value: Value | Values | Range = Field(examples=["Acme"])
    """As for a filter."""
    weight: float = Field(default=0.1, ge=-1, le=1, allow_inf_nan=False)
    """Below zero, they rank lower."""


class Ask(Wire):
    """How to search, whatever the query."""

    k: Depth = 10
    """How many hits; fewer come back only if no more items exist or pass."""
    offset: Offset = 0
    """How many of the best hits to leave out: the second page of ten begins at 10."""
    filters: dict[str, Value | Values | Range] = Field(
        default={}, max_length=16, examples=[{"department": "fashion", "price": {"max": 40}}]
    )
    """Attributes that items must have: a value, a list of values of which one must fit, or a range."""
    image: ImageMode = "auto"
    """Which item vectors to search: `auto` lets the gate decide, `soft` mixes both by the gate."""
    mode: SearchMode = "semantic"
    """What to search."""
    without: list[Words] = Field(default=[], max_length=8, examples=[["stripes"]])
    """What is not wanted. Words after "without" in the query are added to it."""
    boost: list[Boost] = Field(default=[], max_length=4)
    """Attributes that are liked or disliked."""
    as_typed: bool = False
    """Search for every word as it was typed; else words that the shop does not know are read as known ones."""
    explain: bool = False
    """Also say what the image adds to each hit's score, and where text alone would have ranked it."""
    run: RunName | None = None
    """Which of the served runs answers (`/v1/runs`); the first, if not given."""


class SearchRequest(Ask):
    """A search."""

    q: Words
    """What the shopper typed."""
    user: User | None = None
    """Who searches. While an online test runs, the user's arm decides `image` and `mode`, and the search is noted."""


class BatchRequest(Ask):
    """Several searches in one way."""

    queries: list[Words] = Field(min_length=1, max_length=MOST_QUERIES)
    """What shoppers typed."""


class ItemIn(Wire):
    """An item as it shall be; `image` is a path in the shop's folder, as in its table of items."""

    title: str = Field(min_length=1, max_length=5000)
    brand: str | None = None
    category: str | None = None
    description: str | None = Field(default=None, max_length=50_000)
    department: str | None = None
    image: str | None = Field(default=None, examples=["images/shoe-17.jpg"])
    price: int | float | None = None
    in_stock: bool | None = None
    attributes: dict[str, Value | None] = Field(default={})
    """Further attributes, of those that the shop's items have."""


class ItemsIn(Wire):
    """Many items at once: all are changed, or none."""

    items: dict[ItemId, ItemIn | None] = Field(
        min_length=1, max_length=MOST_ITEMS, examples=[{"sofa-1": {"title": "velvet sofa"}, "sofa-2": None}]
    )
    """By id: an item as it shall be, or null for one that shall be gone."""


class EventIn(Wire):
    """What a user did with what was found."""

    user: User
    event: Literal["click", "order"]
    item_id: ItemId
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of an order: what was paid for the item. The item's own price, if not given."""
    request_id: str | None = Field(default=None, max_length=64)
    """Of the search that found it."""
