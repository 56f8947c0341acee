"""What goes over the wire: requests and replies, with their limits and examples. Knows nothing of answering."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from smar.data.records import Item
from smar.retrieval.engine import ImageMode
from smar.retrieval.filters import parse_filters
from smar.retrieval.results import VectorChoice

SearchMode = Literal["semantic", "lexical", "hybrid"]
"""`semantic` searches vectors, `lexical` words (BM25), `hybrid` fuses both by reciprocal ranks."""

LONGEST_QUERY = 500
MOST_HITS = 200
DEEPEST = 1000
MOST_QUERIES = 64

Value = str | bool | int | float
Values = Annotated[list[Value], Field(max_length=200)]
Words = Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY, examples=["striped navy jumper"])]
Depth = Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits.")]
Offset = Annotated[
    int, Field(ge=0, le=DEEPEST - MOST_HITS, description="How many of the best hits to leave out.")
]


RunName = Annotated[str, Field(min_length=1, max_length=255)]


class Wire(BaseModel):
    """A frozen record that refuses fields it does not know, and values of other types than it states."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Range(Wire):
    """Both ends included; either may be left out."""

    min: int | float | None = None
    """The least value."""
    max: int | float | None = None
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


User = Annotated[str, Field(min_length=1, max_length=200)]


class SearchRequest(Ask):
    """A search."""

    q: Words
    """What the shopper typed."""
    user: User | None = None
    """Who searches. While an online test runs, the user's arm decides `image` and `mode`, and the search is noted."""


class SearchLink(BaseModel):
    """A search that fits into a link; the body of a POST has all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    q: Words
    """What the shopper typed."""
    k: Depth = 10
    offset: Offset = 0
    filter: list[str] = Field(default=[], max_length=16)
    """brand=Acme, in_stock=true or price=10..40; repeatable."""
    image: ImageMode = "auto"
    """Which item vectors to search."""
    mode: SearchMode = "semantic"
    """What to search."""
    without: list[Words] = Field(default=[], max_length=8)
    """What is not wanted; repeatable."""
    as_typed: bool = False
    """Correct no word's spelling."""
    explain: bool = False
    """Also say what the image adds to each hit."""
    run: RunName | None = None
    """Which of the served runs answers."""
    user: User | None = None
    """Who searches, for an online test."""

    def asked(self) -> SearchRequest:
        """The search that the link stands for.

        Raises:
            QueryError: a filter is not understood.
        """
        given = self.model_dump(exclude={"filter"})
        return SearchRequest.model_validate(given | {"filters": parse_filters(self.filter)})


class BatchRequest(Ask):
    """Several searches in one way."""

    queries: list[Words] = Field(min_length=1, max_length=MOST_QUERIES)
    """What shoppers typed."""


class ItemOut(Wire):
    """An item as the shop describes it; `image` is where its photo is served."""

    item_id: str
    title: str
    brand: str | None
    category: str | None
    description: str | None
    department: str | None
    price: float | None
    in_stock: bool | None
    image: str | None = Field(examples=["/v1/images/shoe-17"])
    attributes: dict[str, object]

    @classmethod
    def of(cls, item: Item, image: str | None) -> ItemOut:
        """Leave out where the photo lies on the server's disk."""
        return cls(
            item_id=item.item_id,
            title=item.title,
            brand=item.brand,
            category=item.category,
            description=item.description,
            department=item.department,
            price=item.price,
            in_stock=item.in_stock,
            image=image,
            attributes=dict(item.attributes),
        )


class Why(Wire):
    """What the image does for a hit, in the unit of a semantic score."""

    text: float
    """The inner product of the query with the item's text vector."""
    image_adds: float
    """What the multimodal vector scores above that; 0 without a photo."""
    rank_by_text: int
    """The rank that text vectors alone would give it, among the items that pass the filters."""
    only_by_image: bool
    """The image adds to its score, and text alone ranks it below the hits that were asked for."""


class HitOut(Wire):
    """A hit; `score` is the inner product of query and item, BM25's score, or the sum of reciprocal ranks, by mode."""

    rank: int = Field(ge=1)
    score: float
    item: ItemOut
    why: Why | None = None
    """Where `explain` was asked for and vectors were searched."""


class Understood(Wire):
    """How a query was read."""

    q: str = Field(examples=["striped navy jumper"])
    """The words that are searched, normalised, and with the spelling of the shop."""
    without: list[str]
    """What is not wanted."""
    typed: str = Field(examples=["striped navy jumpre"])
    """The words as they were typed, normalised; other than `q` where a word was corrected."""


class Served(Wire):
    """What answered: fingerprints, how much of the index was searched, and the milliseconds of each step."""

    request_id: str
    model: str
    generation: str
    arm: str | None = None
    """The user's arm of the online test, if one runs and a user was named."""
    changes: int
    """The number of the last change of items that was taken in."""
    items: int
    """Items that were searched."""
    left_out: list[str] = Field(examples=[["lexical: no time"]])
    """What of the search was not done, and why; usually empty."""
    milliseconds: dict[str, float] = Field(examples=[{"embed": 3.1, "search": 1.4, "items": 0.6}])


class SearchReply(Wire):
    """The hits of a search, best first, and how they were found."""

    understood: Understood
    mode: SearchMode
    vectors: VectorChoice | None
    """Which item vectors the query met; null where only words were searched."""
    gate: float | None = Field(ge=0, le=1)
    """How much the image is expected to help this query, 0 to 1; null where only words were searched."""
    hits: list[HitOut]
    served: Served


class BatchReply(Wire):
    """One list of hits a query, in the order of the queries."""

    results: list[SearchReply]


class ItemReply(Wire):
    """An item."""

    item: ItemOut
    served: Served


class WordWeight(Wire):
    """A word of an item's text, and by how much the score falls without it."""

    word: str
    falls: float


class ExplainReply(Wire):
    """Why an item scores as it does for a query."""

    score: float
    """The inner product of the query with the item's multimodal vector; `text` and `image` sum to it."""
    text: float
    """What the text adds, averaged over both orders of adding text and image."""
    image: float
    """What the photo adds."""
    words: list[WordWeight]
    """The words of the text, in their order; of more than 40, the first 40."""
    cells: list[list[float]] | None
    """By how much the score falls with one cell of the photo dulled, row by row; null without a photo."""
    served: Served


class SimilarReply(Wire):
    """Items like another, best first, without itself."""

    vectors: VectorChoice
    hits: list[HitOut]
    served: Served


class PhotoReply(Wire):
    """Items that look like a photo, best first."""

    hits: list[HitOut]
    served: Served


class SuggestReply(Wire):
    """Queries that shoppers of this shop typed and that begin so, the most frequent first."""

    suggestions: list[str]


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
    attributes: dict[str, Value | None] = {}
    """Further attributes, of those that the shop's items have."""


class EventIn(Wire):
    """What a user did with what was found."""

    user: User
    event: Literal["click", "order"]
    item_id: str = Field(min_length=1, max_length=500)
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of an order: what was paid for the item. The item's own price, if not given."""
    request_id: str | None = Field(default=None, max_length=64)
    """Of the search that found it."""


class EventReply(Wire):
    """The event is on disk."""

    arm: str


class ChangeReply(Wire):
    """A change is on disk and found by searches; changes are numbered in order."""

    number: int


class GenerationsReply(Wire):
    """The generations of the index that are on disk, oldest first, and which of them answers."""

    generations: list[str]
    answers: str


class RunsReply(Wire):
    """The runs that answer searches, by name; the first answers where none is asked for."""

    runs: list[str]


class Health(Wire):
    """Whether the process lives and answers."""

    status: Literal["ok"] = "ok"


class ErrorOut(Wire):
    """What is wrong and what to do."""

    code: str = Field(examples=["bad_request"])
    message: str
    request_id: str


class ErrorReply(Wire):
    """An error."""

    error: ErrorOut
