"""Pairs of queries and items as arrays, shuffled into batches, and which pairs are known. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.errors import DataError

Places = Int64[np.ndarray, " pair"]


@dataclass(frozen=True)
class PairBatch:
    """Some pairs, with each query and each item once.

    `query` and `item` say which of `queries` (rows of `Pairs.texts`) and `items` (rows of the catalogue) a pair
    joins; `known` is true where that query and that item are a pair too.
    """

    queries: Int64[np.ndarray, " query"]
    items: Int64[np.ndarray, " item"]
    query: Places
    item: Places
    weights: Float32[np.ndarray, " pair"]
    known: Bool[np.ndarray, "pair item"]

    def __len__(self) -> int:
        return len(self.query)


class Pairs:
    """Every pair of a click log: rows of `texts` (its queries) and of a catalogue, with weights of mean 1.

    After the `clicked` ones there may be pairs of an item with some of its own words; `len` counts clicked ones.
    """

    def __init__(
        self,
        texts: list[str],
        queries: Places,
        items: Places,
        weights: Float32[np.ndarray, " pair"],
        clicked: int | None = None,
    ) -> None:
        self.texts = texts
        self.queries = queries
        self.items = items
        self.weights = weights
        self.clicked = len(queries) if clicked is None else clicked
        # One number a pair; a pair of the log is then found by binary search.
        self._stride = int(items.max(initial=0)) + 1
        self._known = np.unique(queries * self._stride + items)

    @classmethod
    def from_clicks(cls, clicks: ClickLog, catalog: Catalog) -> Pairs:
        """Read a log's pairs.

        Raises:
            DataError: the log is empty.
        """
        if not len(clicks):
            raise DataError(f"there is nothing to learn from: {clicks!r}")
        texts = clicks.queries
        places = {text: place for place, text in enumerate(texts)}
        queries = np.array([places[text] for text in clicks.table["query"]], dtype=np.int64)
        items = np.array([catalog.row(item) for item in clicks.table["item_id"]], dtype=np.int64)
        weights = clicks.table["weight"].to_numpy().astype(np.float32)
        return cls(texts, queries, items, weights / weights.mean())

    def with_own_words(self, words: list[str]) -> Pairs:
        """These pairs, and one of every item with its entry of `words`, unless that is empty."""
        own = np.flatnonzero([bool(text) for text in words])
        # Equal words are one query, and so is what shoppers asked in the same words: its items are known.
        rows = {text: row for row, text in enumerate(self.texts)}
        queries = np.array([rows.setdefault(words[item], len(rows)) for item in own], dtype=np.int64)
        return Pairs(
            list(rows),
            np.concatenate([self.queries, queries]),
            np.concatenate([self.items, own]),
            np.concatenate([self.weights, np.ones(len(own), np.float32)]),
            len(self),
        )

    def __len__(self) -> int:
        return self.clicked

    @property
    def asked(self) -> int:
        """How many of the queries, the first ones of `texts`, are of clicked pairs."""
        return int(self.queries[: self.clicked].max(initial=-1)) + 1

    def batches(self, epoch: int, size: int, seed: int, own: int = 0) -> list[Places]:
        """Every clicked pair once, in batches of `size` in an order that `seed` and `epoch` decide alone.

        Each batch has `own` pairs of own words besides; batch after batch, these go through all of them in turn.
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        others = len(self.queries) - len(self)
        if not own or not others:
            return batches
        turn = len(self) + np.random.default_rng(seed).permutation(others)
        first = epoch * len(batches)
        return [
            np.concatenate([places, np.take(turn, np.arange(own) + own * number, mode="wrap")])
            for number, places in enumerate(batches, start=first)
        ]

    def batch(self, places: Places) -> PairBatch:
        """The pairs at `places`."""
        queries, query = np.unique(self.queries[places], return_inverse=True)
        items, item = np.unique(self.items[places], return_inverse=True)
        known = self.knows(queries[query, None], items)
        return PairBatch(queries, items, query, item, self.weights[places], known)

    def with_more(self, batch: PairBatch, items: Int64[np.ndarray, " more"]) -> PairBatch:
        """A batch that has `items`, rows of the catalogue, besides: negatives of all its pairs but those known."""
        more = np.concatenate([batch.items, np.setdiff1d(items, batch.items)])
        return replace(batch, items=more, known=self.knows(batch.queries[batch.query, None], more))

    def knows(
        self, queries: Int64[np.ndarray, "*#pairs"], items: Int64[np.ndarray, "*#pairs"]
    ) -> Bool[np.ndarray, "*pairs"]:
        """Whether a query and an item are a pair, for each two that meet where the arrays are broadcast."""
        keys = queries * self._stride + items
        at = np.searchsorted(self._known, keys).clip(max=len(self._known) - 1)
        known: np.ndarray = (self._known[at] == keys) & (items < self._stride)
        return known
