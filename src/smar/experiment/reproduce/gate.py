"""What the gate is worth: how much of an oracle's lead it gains, how much of that lead is noise, how calibrated it is.

Knows rankings, judgements and gate values; nothing of models or plots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from smar.evaluation.measures import measure_queries, parse_measure
from smar.progress import track

Floats = npt.NDArray[np.float64]
Rankings = Mapping[str, Sequence[str]]
"""Item ids by query id, best first."""
Qrels = Mapping[str, Mapping[str, int]]

_SPLITS = 10
_BINS = 10


@dataclass(frozen=True)
class Routes:
    """Three rankings of each query by one model: with the image, without it, and as the gate chose."""

    always: Rankings
    never: Rankings
    gate: Rankings


@dataclass(frozen=True)
class Modes:
    """Tables of values per query, one a seed, asked with the image, without it, and as the gate chose."""

    always: Sequence[pl.DataFrame]
    never: Sequence[pl.DataFrame]
    gate: Sequence[pl.DataFrame]


@dataclass(frozen=True)
class Gap:
    """Leads over the better of always and never, in one measure, as means over queries.

    `oracle` takes the better of both for every query, so it also profits from luck. `attainable` is what is left of
    it where the choice is made on half of a query's relevant items and measured on the other half; half the
    judgements choose worse than all, so it is a low estimate. `routed` and `lucky` are the gate's lead and the
    oracle's on those halves, so that both shares compare like with like.
    """

    measure: str
    better: float
    gate: float
    oracle: float
    routed: float
    attainable: float
    lucky: float
    queries_halved: int

    @property
    def closed(self) -> float | None:
        """The gate's share of the oracle's lead; None where there is none."""
        return self.gate / self.oracle if self.oracle > 0 else None

    @property
    def closed_of_attainable(self) -> float | None:
        """The gate's share of the attainable lead; None where there is none."""
        return self.routed / self.attainable if self.attainable > 0 else None


@dataclass(frozen=True)
class Routed:
    """A department's means in one measure, and the share of its queries that the gate sends to the image."""

    department: str
    measure: str
    queries: int
    with_image: float
    gate: float
    always: float
    never: float


@dataclass(frozen=True)
class Calibration:
    """Queries in bins of equal size by P(q): the mean gate and the share for which the image ranked better.

    `error` is the mean distance between both, weighed by the bins' sizes (expected calibration error).
    """

    expected: Floats
    seen: Floats
    error: float


@dataclass(frozen=True)
class GateFindings:
    """All of it; no calibration where the image makes a difference to no query. `threshold` is where P(q) opens."""

    threshold: float
    gaps: tuple[Gap, ...]
    routed: tuple[Routed, ...]
    calibration: Calibration | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "gaps": [
                {**asdict(gap), "closed": gap.closed, "closed_of_attainable": gap.closed_of_attainable}
                for gap in self.gaps
            ],
            "departments": [asdict(routed) for routed in self.routed],
            "calibration_error": None if self.calibration is None else self.calibration.error,
        }


def gate_findings(tables: Modes, qrels: Qrels, measures: Sequence[str], threshold: float) -> GateFindings:
    """What the gate is worth, over models of several seeds.

    Args:
        tables: values per query (see `Grid.values`), one a seed, of the same queries.
        qrels: the judgements of these queries.
        measures: in which to measure it.
        threshold: from which value of the gate the image is used.
    """
    routes = [
        Routes(*(dict(zip(table["query_id"], table["found"].to_list(), strict=True)) for table in of_seed))
        for of_seed in zip(tables.always, tables.never, tables.gate, strict=True)
    ]
    gain = _mean(tables.always, "nDCG@10") - _mean(tables.never, "nDCG@10")
    differs = gain != 0
    calibration = None
    if differs.any():
        calibration = calibrate(_mean(tables.gate, "gate")[differs], (gain[differs] > 0).astype(np.float64))
    return GateFindings(
        threshold,
        tuple(measure_gap(routes, qrels, measure) for measure in measures),
        tuple(_departments(tables, measures, threshold)),
        calibration,
    )


def measure_gap(routes: Sequence[Routes], qrels: Qrels, measure: str) -> Gap:
    """Means over models, one `Routes` each.

    Args:
        routes: of the same queries, all those of `qrels`.
        qrels: the judgements, with at least one relevant item a query.
        measure: its name, such as `nDCG@10`.
    """
    whole = np.mean([_leads(of_model, qrels, measure) for of_model in routes], axis=0)
    halves = [_halves(qrels, seed) for seed in range(_SPLITS)]
    halved = len(halves[0][0])
    parts = np.zeros(3)
    if halved:
        shown = track(halves, f"halves of the judgements, {measure}")
        parts = np.mean(
            [_leads_on_halves(of_model, *sides, measure) for sides in shown for of_model in routes], axis=0
        )
    better, gate, oracle = whole.tolist()
    routed, attainable, lucky = parts.tolist()
    return Gap(measure, better, gate, oracle, routed, attainable, lucky, halved)


def calibrate(gate: Floats, helped: Floats) -> Calibration:
    """Compare the gate's values with how often (1 or 0) the image did help.

    Args:
        gate: [query], P(q).
        helped: [query], 1 where the image ranked better, 0 where it ranked worse.
    """
    order = np.argsort(gate, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    expected = np.array([gate[part].mean() for part in parts])
    seen = np.array([helped[part].mean() for part in parts])
    sizes = np.array([len(part) for part in parts])
    return Calibration(expected, seen, float((np.abs(expected - seen) * sizes).sum() / sizes.sum()))


def _departments(tables: Modes, measures: Sequence[str], threshold: float) -> Iterator[Routed]:
    departments = tables.gate[0]["department"]
    is_open = np.mean([table["gate"].to_numpy() >= threshold for table in tables.gate], axis=0)
    for department in sorted(departments.drop_nulls().unique()):
        inside = (departments == department).fill_null(value=False).to_numpy()
        for measure in measures:
            sides = (
                float(_mean(side, measure)[inside].mean())
                for side in (tables.gate, tables.always, tables.never)
            )
            yield Routed(department, measure, int(inside.sum()), float(is_open[inside].mean()), *sides)


def _mean(tables: Sequence[pl.DataFrame], column: str) -> Floats:
    """A column's mean over seeds, for every query."""
    mean: Floats = np.mean([table[column].to_numpy() for table in tables], axis=0)
    return mean


def _leads(routes: Routes, qrels: Qrels, measure: str) -> tuple[float, float, float]:
    """The better constant's mean, and the leads over it of the gate and of the oracle."""
    always, never, gate = (
        _values(side, qrels, measure) for side in (routes.always, routes.never, routes.gate)
    )
    better = float(max(always.mean(), never.mean()))
    return better, float(gate.mean()) - better, float(np.maximum(always, never).mean()) - better


def _leads_on_halves(
    routes: Routes, judged: Qrels, others: Qrels, measure: str
) -> tuple[float, float, float]:
    """Leads, on the items of `judged`, of the gate, of a choice made on `others`, and of the oracle."""
    # Relevant items of the other half are no mistakes.
    mine, theirs = (
        Routes(*(_without(side, unjudged) for side in (routes.always, routes.never, routes.gate)))
        for unjudged in (others, judged)
    )
    better, routed, lucky = _leads(mine, judged, measure)
    always, never = (_values(side, others, measure) for side in (theirs.always, theirs.never))
    # What the others cannot tell apart goes where most queries do better.
    chosen = np.where(always == never, always.mean() >= never.mean(), always > never)
    always, never = (_values(side, judged, measure) for side in (mine.always, mine.never))
    return routed, float(np.where(chosen, always, never).mean()) - better, lucky


def _without(rankings: Rankings, unjudged: Qrels) -> Rankings:
    """Rankings of the queries of `unjudged` without its items."""
    return {
        query: [item for item in rankings[query] if item not in of_query]
        for query, of_query in unjudged.items()
    }


def _values(rankings: Rankings, qrels: Qrels, measure: str) -> Floats:
    """The measure of each query."""
    parsed = parse_measure(measure)
    by_query = measure_queries([parsed], qrels, rankings)[parsed.name]
    return np.array([by_query[query] for query in qrels])


def _halves(qrels: Qrels, seed: int) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """The relevant items of each query dealt to two halves; a query of one relevant item is left out."""
    generator = np.random.default_rng(seed)
    first: dict[str, dict[str, int]] = {}
    second: dict[str, dict[str, int]] = {}
    for query, grades in qrels.items():
        relevant = [(item, grade) for item, grade in grades.items() if grade >= 1]
        if len(relevant) > 1:
            order = generator.permutation(len(relevant))
            middle = len(relevant) // 2
            first[query] = dict(relevant[place] for place in order[:middle])
            second[query] = dict(relevant[place] for place in order[middle:])
    return first, second
