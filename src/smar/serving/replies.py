"""What the service answers, with examples. Knows nothing of how it was found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smar.data.records import Item
from smar.retrieval.results import VectorChoice
from smar.serving.requests import SearchMode
from smar.serving.wire import Wire


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
    """A hit; `score` is the inner product of query and item, BM25's score, or a sum made of both, by mode."""

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
    """Items that can be found."""
    coverage: float = Field(default=1.0, ge=0, le=1)
    """The share of the items whose vectors were searched; below 1 only where machines that hold some do not answer, and
    then hits may be missing."""
    left_out: list[str] = Field(examples=[["lexical: no time"]])
    """What of the search was not done, and why; usually empty."""
    remembered: bool = False
    """The hits are those of the same search a little earlier; no item was changed since."""
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
    """The inner product of the query with the item's multimodal vector; `text`, `image` and `clicks` sum to it."""
    text: float
    """What the text adds, averaged over both orders of adding text and image."""
    image: float
    """What the photo adds."""
    clicks: float
    """What the model remembers of clicks on it, and on items like it, adds."""
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
