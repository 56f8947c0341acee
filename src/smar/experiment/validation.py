"""How well a model finds held-out clicks: what stops training early and sets the gate's threshold.

Knows the click log; has never heard of judged queries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float64
from pydantic import Field

from smar.config import Config
from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.data.records import Query
from smar.evaluation.evaluate import evaluate
from smar.model.smar import SMAR
from smar.retrieval.engine import ImageMode, SearchEngine

Figures = Float64[np.ndarray, " query"]


class ValidationConfig(Config):
    """How held-out clicks judge a model."""

    measure: str = "nDCG@50"
    """The measure, as ir-measures names it; a held-out query's clicked items are what is relevant."""
    candidates: int = Field(default=10_000, ge=1)
    """Items ranked while training: the clicked ones and, drawn by chance, others up to this many in all."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out queries, what was clicked for each, and the items to rank."""

    queries: list[Query]
    clicked: dict[str, dict[str, int]]
    catalog: Catalog
    measure: str

    @classmethod
    def read(cls, log: ClickLog, catalog: Catalog, config: ValidationConfig) -> HeldOut:
        """Take the queries and clicks of `log`, to be ranked among all items of `catalog`."""
        queries = [Query(f"q{place}", text) for place, text in enumerate(log.queries)]
        ids = {query.text: query.query_id for query in queries}
        clicked: dict[str, dict[str, int]] = {}
        for click in log:
            clicked.setdefault(ids[click.query], {})[click.item_id] = 1
        return cls(queries, clicked, catalog, config.measure)

    def among(self, count: int, seed: int) -> HeldOut:
        """The same queries, ranked among the clicked items and others drawn by `seed`, up to `count`."""
        wanted = {item for items in self.clicked.values() for item in items}
        ids = np.array(self.catalog.item_ids)
        others = np.array([item for item in ids if item not in wanted])
        drawn = np.random.default_rng(seed).permutation(others)[: max(0, count - len(wanted))]
        table = self.catalog.table.filter(pl.col("item_id").is_in([*wanted, *drawn.tolist()]))
        catalog = Catalog.from_table(table, self.catalog.folder)
        return HeldOut(self.queries, self.clicked, catalog, self.measure)

    def figure(self, model: SMAR) -> float:
        """The mean measure of a model that searches as it would in service: what early stopping looks at."""
        return float(self.per_query(SearchEngine.build(model, self.catalog), "auto").mean())

    def choose_threshold(self, model: SMAR) -> GateChoice:
        """The gate's threshold with the best mean measure on the held-out queries, over all items."""
        engine = SearchEngine.build(model, self.catalog)
        gate = model.embed_queries([query.text for query in self.queries]).gate.astype(np.float64)
        return choose_threshold(gate, self.per_query(engine, "never"), self.per_query(engine, "always"))

    def per_query(self, engine: SearchEngine, mode: ImageMode) -> Figures:
        """The measure of each held-out query, in their order."""
        report = evaluate(engine.with_image_mode(mode), self.queries, self.clicked, [self.measure])
        values = dict(zip(report.per_query["query_id"], report.per_query[self.measure], strict=True))
        return np.array([values[query.query_id] for query in self.queries])


@dataclass(frozen=True)
class GateChoice:
    """A threshold, and the mean measure on held-out clicks with it, always and never using the image."""

    threshold: float
    routed: float
    always: float
    never: float
    share_with_image: float


def choose_threshold(gate: Figures, text: Figures, multimodal: Figures) -> GateChoice:
    """The threshold with the largest mean when queries at or above it take `multimodal` and the others `text`.

    Every split of the queries by their gate is tried. Of equally good ones the lowest threshold is taken, so
    that the image is used unless leaving it out pays.
    """
    order = np.argsort(gate, kind="stable")
    gain = np.concatenate([[0.0], np.cumsum((text - multimodal)[order])])
    # A split must not cut through queries of equal gate.
    ordered = gate[order]
    splits = [0] + [at for at in range(1, len(gate)) if ordered[at] > ordered[at - 1]] + [len(gate)]
    best = max(splits, key=lambda at: (gain[at], -at))
    if best == 0:
        threshold = 0.0
    elif best == len(gate):
        threshold = 1.0
    else:
        threshold = float((ordered[best - 1] + ordered[best]) / 2)
    return GateChoice(
        threshold,
        routed=float(multimodal.mean() + gain[best] / len(gate)),
        always=float(multimodal.mean()),
        never=float(text.mean()),
        share_with_image=1 - best / len(gate),
    )
