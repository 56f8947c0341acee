"""How well a model finds held-out clicks: what stops training early.

Knows the click log; has never heard of judged queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from smar.config import Config
from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.data.records import Query
from smar.evaluation.evaluate import evaluate
from smar.model.arrays import ItemArrays
from smar.model.memory import ClickMemory
from smar.model.smar import SMAR
from smar.model.sources import ItemSource, Rows
from smar.retrieval.engine import SearchEngine
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.vectors import ItemVectors


class ValidationConfig(Config):
    """How held-out clicks judge a model."""

    measure: str = "nDCG@50"
    """The measure, as ir-measures names it; a held-out query's clicked items are what is relevant."""
    candidates: int = Field(default=10_000, ge=1)
    """Items ranked while training: the clicked ones and, drawn by chance, others up to this many in all."""
    last_candidates: int = Field(default=100_000, ge=1)
    """The same, when all is learnt but how much query terms and the memory count: among few items, the more they count
    the better it looks."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out queries, what was clicked for each, and the items to rank: `rows` of the catalogue they are from."""

    queries: list[Query]
    clicked: dict[str, dict[str, int]]
    catalog: Catalog
    rows: Rows
    measure: str

    @classmethod
    def read(cls, log: ClickLog, catalog: Catalog, config: ValidationConfig) -> HeldOut:
        """Take the queries and clicks of `log`, to be ranked among all items of `catalog`."""
        queries = [Query(f"q{place}", text) for place, text in enumerate(log.queries)]
        ids = {query.text: query.query_id for query in queries}
        clicked: dict[str, dict[str, int]] = {}
        for click in log:
            clicked.setdefault(ids[click.query], {})[click.item_id] = 1
        return cls(queries, clicked, catalog, np.arange(len(catalog)), config.measure)

    def among(self, count: int, seed: int) -> HeldOut:
        """The same queries, ranked among the clicked items and others drawn by `seed`, up to `count`."""
        wanted = self.is_clicked
        others = np.flatnonzero(~wanted)
        drawn = np.random.default_rng(seed).permutation(others)[: max(0, count - int(wanted.sum()))]
        places = np.sort(np.concatenate([np.flatnonzero(wanted), drawn]))
        catalog = Catalog.from_table(self.catalog.table[places], self.catalog.folder)
        return HeldOut(self.queries, self.clicked, catalog, self.rows[places], self.measure)

    @property
    def is_clicked(self) -> Bool[np.ndarray, " item"]:
        """Which of the items are looked for."""
        wanted = {item for items in self.clicked.values() for item in items}
        return np.array([item in wanted for item in self.catalog.item_ids], dtype=np.bool_)

    def figure(self, model: SMAR) -> float:
        """The mean measure of a model that searches as it would in service: what early stopping looks at."""
        return self.judge(SearchEngine.build(model, self.catalog))

    def judge(self, engine: SearchEngine) -> float:
        """The mean measure of an engine over the catalogue."""
        return evaluate(engine, self.queries, self.clicked, [self.measure]).overall[self.measure]

    def judge_of_memory(self, model: SMAR, memory: ClickMemory, items: ItemSource) -> Callable[[], float]:
        """The mean measure of a model by what its memory counts then; `items`, opened, are embedded once, now.

        It is the mean of two: of searches in which the clicked items are remembered, and of searches in which they are
        as new as if nobody had clicked them. Held-out clicks are on much clicked items; a shop has others too.
        """
        plain, names = model.embed_rows(items, self.rows), items.names[self.rows]
        both = [memory.recall(plain, names, is_new) for is_new in (None, self.is_clicked)]

        def judge() -> float:
            return sum(self.judge(self.engine(model, memory.blend(plain, one))) for one in both) / 2

        return judge

    def engine(self, model: SMAR, arrays: ItemArrays) -> SearchEngine:
        """A search over vectors that the model made of the items."""
        vectors = ItemVectors.of(arrays, model.fingerprint, self.catalog)
        return SearchEngine(model, ItemIndexes.build(vectors, IndexConfig()), self.catalog)
