"""Clicks that went astray: shoppers wander to what they did not ask for, and what was learnt of it finds wrong items.

Knows counted clicks and what surprises among them; nothing of batches, losses or search.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64
from pydantic import Field, field_validator

from smar.config import Config
from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.training.pairs import Pairs
from smar.training.surprise import PerPair, fold_ranks, surprise
from smar.training.terms import TermsLoopConfig

_ROUNDS = 30
_FIRST_SHARE = 0.05
_MOST_ASTRAY = 0.5
_SURPRISES = np.log([1 / 8, 1 / 3, 1, 2, 3, 5, 8, 12, 20])
_SURELY_ASTRAY = 0.8
_ENOUGH = 30
"""Pairs of whose stray, or sound, nature counts leave no doubt: fewer in a department, and surprise says nothing."""


class StraysConfig(Config):
    """Which clicks are not believed: what other clicks, on other items or after other queries, speak against."""

    folds: int = Field(default=0, ge=0)
    """Parts of the queries, each judged by what the others were clicked for (`configs/mart-best.toml` has 5); 0
    believes every click."""
    doubt: float = Field(default=0.3, gt=0, lt=1)
    """A pair that is likelier than this to be a stray is left out."""

    @field_validator("folds")
    @classmethod
    def _none_or_some(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 or at least 2: queries are judged by others")
        return folds


def find_strays(
    model: SMAR,
    log: ClickLog,
    catalog: Catalog,
    items: ItemSource,
    config: StraysConfig,
    terms: TermsLoopConfig,
) -> pl.DataFrame:
    """The pairs of `log` that are not believed, each with its chance to be a stray (our choice).

    By Bayes' rule that is what counts say (`stray_chances`) and how much less likely the query's words are for this
    item than for the others that it was clicked for, as learnt from the folds that the query is not in. What such
    surprise says of strays is measured on the pairs of which counts leave no doubt. Departments, if the catalogue has
    them, each have their own rates.

    Args:
        model: untrained, but calibrated; its text vectors and summaries of photos are what likelihood is learnt from.
        log: clicks to learn from.
        catalog: their items.
        items: the same, opened.
        config: says how many folds, and how much doubt.
        terms: how the likelihood of words is learnt.

    Returns:
        Columns `query`, `item_id`, `clicks`, `orders` and `chance`.
    """
    pairs = Pairs.from_clicks(log, catalog)
    counted = log.table.select("query", "item_id", "clicks", "orders")
    clicks = counted.select(pl.max_horizontal("clicks", "orders")).to_series().to_numpy().astype(np.float64)
    names = np.array([name or "" for name in catalog.table["department"]])[pairs.items]
    departments = _most_clicked(pairs.queries, clicks, np.unique(names, return_inverse=True)[1])
    chances = stray_chances(pairs.queries, clicks, departments)
    surprises = surprise(pairs.queries, clicks, fold_ranks(model, pairs, items, config.folds, terms))
    chances = _surprised(chances, surprises, clicks, departments)
    return counted.with_columns(chance=pl.Series(chances, dtype=pl.Float32)).filter(
        pl.Series(chances > config.doubt)
    )


def stray_chances(
    query: Int64[np.ndarray, " pair"], clicks: PerPair, department: Int64[np.ndarray, " pair"]
) -> PerPair:
    """How likely each pair is to be a stray, by how often it and the query's other items were clicked.

    An item that a query means is clicked a number of times that is Poisson distributed, less those that are never
    clicked, with a mean of its query's; a stray is clicked once, and a share of a department's clicks are strays (our
    choice). Both are estimated by expectation maximisation. `department` is of a pair's query, whatever its item's.
    """
    queries, departments = int(query.max()) + 1, int(department.max()) + 1
    single = clicks <= 1
    chances = np.where(single, 2 * _FIRST_SHARE, 0.0)
    share = np.full(departments, _FIRST_SHARE)
    total = np.bincount(query, clicks, queries)
    of_query = np.zeros(queries, np.int64)
    of_query[query] = department
    clicked = np.bincount(department, clicks, departments)
    for _ in range(_ROUNDS):
        meant = np.bincount(query, 1 - chances, queries)
        mean = np.bincount(query, clicks * (1 - chances), queries) / meant.clip(min=1e-9)
        once = meant * _once(mean)
        astray = share[of_query] * total
        chances = np.where(single, (astray / (astray + once).clip(min=1e-9))[query], 0.0)
        share = (np.bincount(department, chances, departments) / clicked.clip(min=1)).clip(max=_MOST_ASTRAY)
    return chances


def _most_clicked(
    query: Int64[np.ndarray, " pair"], clicks: PerPair, department: Int64[np.ndarray, " pair"]
) -> Int64[np.ndarray, " pair"]:
    """The department of most clicks of each pair's query."""
    count = int(department.max()) + 1
    both, place = np.unique(query * count + department, return_inverse=True)
    # Of several departments of a query the most clicked is written last.
    order = both[np.argsort(np.bincount(place, clicks), kind="stable")]
    found = np.zeros(int(query.max()) + 1, np.int64)
    found[order // count] = order % count
    chosen: Int64[np.ndarray, " pair"] = found[query]
    return chosen


def _once(mean: PerPair) -> PerPair:
    """The share of ones in a Poisson distribution without zeros, by its mean."""
    rate = mean = mean.clip(min=1.0001)
    for _ in range(_ROUNDS):
        rate = mean * -np.expm1(-rate)
    found: PerPair = rate * np.exp(-rate) / -np.expm1(-rate)
    return found


def _surprised(
    chances: PerPair, surprises: PerPair, clicks: PerPair, department: Int64[np.ndarray, " pair"]
) -> PerPair:
    """Chances that know of surprise too: the more of it, the likelier a stray."""
    found = chances.copy()
    known = np.isfinite(surprises)
    step = np.digitize(surprises, _SURPRISES)
    for number in range(int(department.max()) + 1):
        here: Bool[np.ndarray, " pair"] = known & (department == number)
        astray, sound = here & (chances > _SURELY_ASTRAY), here & (clicks > 1)
        if min(astray.sum(), sound.sum()) < _ENOUGH:
            continue
        shares = [
            (counted + 0.5) / (counted + 0.5).sum()
            for counted in (
                np.bincount(step[side], minlength=len(_SURPRISES) + 1) for side in (astray, sound)
            )
        ]
        times = np.maximum.accumulate(shares[0] / shares[1])[step[here]]
        odds = chances[here] * times
        found[here] = odds / (1 - chances[here] + odds)
    return found
