"""What shoppers clicked and ordered after which query, as weighted training pairs.

Knows no files and no raw events.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from smar.config import Config
from smar.data.records import Click
from smar.data.splits import held_out_texts
from smar.data.tables import table_digest

CLICK_SCHEMA = {
    "query": pl.String(),
    "item_id": pl.String(),
    "clicks": pl.UInt32(),
    "orders": pl.UInt32(),
    "weight": pl.Float32(),
}

# Exact for ASCII, where NFKC changes nothing; the class is what `str.split` takes for a space.
ASCII_SPACES = r"[\x09-\x0d\x1c-\x20]+"


class ClickConfig(Config):
    """Which events become training pairs, and how much each pair counts."""

    since: datetime | None = None
    """Leave out events before this time (UTC unless it says otherwise)."""
    until: datetime | None = None
    """Leave out events at this time and later."""
    min_clicks: int = Field(default=1, ge=1)
    """Leave out pairs with fewer clicks and orders than this, taken together."""
    min_query_clicks: int = Field(default=1, ge=1)
    """Leave out queries with fewer clicks and orders than this, over all their items."""
    leave_out_judged: bool = True
    """Leave out queries that are judged in any split of the shop, so that no test query is trained on."""
    order_weight: float = Field(default=3.0, ge=0)
    """How many clicks an order counts as, on top of the click that led to it."""
    damping: Literal["log", "none"] = "log"
    """Weigh a pair by log(1 + count), so that popular items do not drown the rest, or by the count itself."""
    max_weight: float = Field(default=10.0, gt=0)
    """No pair weighs more than this."""
    held_out: float = Field(default=0.05, ge=0, lt=1)
    """The share of queries kept from training, to validate on."""
    gate_items: float = Field(default=0.1, ge=0, lt=1)
    """The share of items whose clicks stage one does not see, so that the gate can learn from items that are new
    to the towers; stage two sees them. Zero leaves the gate as it is."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Which queries and items these are."""

    @model_validator(mode="after")
    def _since_before_until(self) -> ClickConfig:
        if self.since and self.until and utc(self.since) >= utc(self.until):
            raise ValueError(f"since = {self.since} is not before until = {self.until}")
        return self


@dataclass(frozen=True)
class ClickLog:
    """Pairs of a query and an item with what they count, sorted by query and item id.

    `left_out` says how many clicks and orders are not in `table`, for each reason; together with the sums of
    `clicks` and `orders` they make up `events`, all that the log holds.
    """

    table: pl.DataFrame
    events: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.table.height

    def __iter__(self) -> Iterator[Click]:
        return (Click(*row) for row in self.table.iter_rows())

    def __getitem__(self, row: int) -> Click:
        return Click(*self.table.row(row))

    def __repr__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items()) or "nothing"
        return f"ClickLog({len(self):,} pairs from {self.events:,} events; left out: {reasons})"

    @cached_property
    def queries(self) -> list[str]:
        """Every query once, sorted."""
        return self.table["query"].unique().sort().to_list()

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the pairs and their weights."""
        return table_digest(self.table)

    def split(self, held_out: float, seed: int = 0) -> tuple[ClickLog, ClickLog]:
        """The pairs to train on and, whole queries at a time, those of about a `held_out` share of queries.

        A query's side depends on its text and `seed` alone: a longer or reordered log moves none.
        """
        return self._split("query", held_out, seed)

    def split_items(self, share: float, seed: int = 0) -> tuple[ClickLog, ClickLog]:
        """The pairs of most items, and those of about a `share` of items, chosen by item id and `seed` alone."""
        return self._split("item_id", share, seed)

    def _split(self, column: str, share: float, seed: int) -> tuple[ClickLog, ClickLog]:
        kept_back = held_out_texts(self.table[column].unique(), share, seed)
        is_held_out = pl.col(column).is_in(kept_back.implode())
        sides = self.table.filter(~is_held_out), self.table.filter(is_held_out)
        train, test = (replace(self, table=side, events=count_events(side), left_out={}) for side in sides)
        return train, test


def normalise_query(text: str) -> str:
    """What two spellings of a query share: NFKC, casefolded, single spaces, none at the ends.

    Applying it twice changes nothing. Folding a letter may undo NFKC for a few letters, hence the loop.
    """
    while True:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if folded == text:
            return " ".join(text.split())
        text = folded


def normalise_queries(queries: pl.Series) -> pl.Series:
    """`normalise_query` over a column, fast: ASCII natively, the rest once for each different text."""
    plain = queries.str.to_lowercase().str.replace_all(ASCII_SPACES, " ").str.strip_chars(" ")
    is_odd = queries.str.contains(r"[^\x00-\x7f]").fill_null(value=False)
    if not is_odd.any():
        return plain
    odd = queries.filter(is_odd).unique()
    spelt = pl.Series([normalise_query(text) for text in odd.to_list()], dtype=pl.String)
    replaced = queries.replace_strict(odd, spelt, default=None, return_dtype=pl.String)
    return plain.zip_with(~is_odd, replaced)


def pair_weight(config: ClickConfig) -> pl.Expr:
    """What a pair counts: `min(log(1 + clicks + order_weight * orders), max_weight)`, or no log."""
    count = pl.col("clicks").cast(pl.Float64) + config.order_weight * pl.col("orders").cast(pl.Float64)
    damped = count.log1p() if config.damping == "log" else count
    return damped.clip(upper_bound=config.max_weight).cast(pl.Float32).alias("weight")


def utc(moment: datetime) -> datetime:
    """The time in UTC without an offset, as tables hold it; a time without one is in UTC already."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def count_events(table: pl.DataFrame) -> int:
    """All clicks and orders of a table that has these columns."""
    return sum(int(table[name].cast(pl.Int64).sum()) for name in ("clicks", "orders"))
