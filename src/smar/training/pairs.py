"""Clicked pairs as arrays, shuffled into batches, and which pairs the log knows. Knows no text and no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.errors import DataError

Places = Int64[np.ndarray, " pair"]


@dataclass(frozen=True)
class PairBatch:
    """Some pairs of the log, with each query and each item once.

    `query` and `item` say which of `queries` (rows of `Pairs.texts`) and `items` (rows of the catalogue) a pair
    joins; `known` is true where the log has that query with that item.
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
    """Every pair of a click log: rows of `texts` (its queries) and of a catalogue, with weights of mean 1."""

    def __init__(
        self, texts: list[str], queries: Places, items: Places, weights: Float32[np.ndarray, " pair"]
    ) -> None:
        self.texts = texts
        self.queries = queries
        self.items = items
        self.weights = weights
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

    def __len__(self) -> int:
        return len(self.queries)

    def batches(self, epoch: int, size: int, seed: int) -> list[Places]:
        """Every pair once, in batches of `size` in an order that `seed` and `epoch` decide alone."""
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        return [order[start : start + size] for start in range(0, len(order), size)]

    def batch(self, places: Places) -> PairBatch:
        """The pairs at `places`."""
        queries, query = np.unique(self.queries[places], return_inverse=True)
        items, item = np.unique(self.items[places], return_inverse=True)
        return PairBatch(queries, items, query, item, self.weights[places], self.knows(queries, items)[query])

    def knows(self, queries: Places, items: Places) -> Bool[np.ndarray, "query item"]:
        """Whether the log has each of `queries` with each of `items`."""
        keys = queries[:, None] * self._stride + items[None, :]
        at = np.searchsorted(self._known, keys).clip(max=len(self._known) - 1)
        known: np.ndarray = (self._known[at] == keys) & (items < self._stride)[None, :]
        return known
