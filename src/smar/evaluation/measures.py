"""Names measures as ir-measures names them, and computes their value for every query.

Knows nothing of who ranked the items, nor of means, groups or intervals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures

from smar.errors import ConfigError

DEFAULT_MEASURES = ("R@50", "P@50", "F1@50", "nDCG@10")
DEPTH_WITHOUT_CUTOFF = 1000

# Named one by one, so that what else happens to be installed never changes which code computes a measure:
# trec_eval for all of them but RR@k, which trec_eval lacks.
_provider = ir_measures.providers.FallbackProvider([ir_measures.pytrec_eval, ir_measures.msmarco])  # type: ignore[no-untyped-call]

_ALIASES = {"Recall": "R", "Precision": "P", "NDCG": "nDCG", "MRR": "RR", "MAP": "AP"}
_FAMILIES = {
    "R": ir_measures.R,
    "P": ir_measures.P,
    "nDCG": ir_measures.nDCG,
    "RR": ir_measures.RR,
    "AP": ir_measures.AP,
}
_NEEDS_CUTOFF = ("R", "P", "F1")
_KNOWN = "R@k, P@k, F1@k, nDCG@k, RR (MRR), RR@k, AP (MAP), AP@k"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: its family, and the rank it looks down to (None: the whole ranking).

    `R@k` is plain recall as trec_eval has it: relevant items among the first k over all relevant items, so a
    query with more than k relevant items cannot reach 1. `P@k` divides by k even if fewer items were
    retrieved. `F1@k` is, per query, the harmonic mean of `P@k` and `R@k`; ir-measures' own `SetF` looks at
    the whole ranking as a set and has no cutoff, which is why this one is computed here. `nDCG` takes grades
    as gains; for all others an item is relevant from grade 1 on.
    """

    family: str
    cutoff: int | None

    @property
    def name(self) -> str:
        """The name as ir-measures prints it, such as `R@50`."""
        return self.family if self.cutoff is None else f"{self.family}@{self.cutoff}"

    @property
    def depth(self) -> int:
        """How many items of a ranking the measure needs to see."""
        return DEPTH_WITHOUT_CUTOFF if self.cutoff is None else self.cutoff

    def __str__(self) -> str:
        return self.name


def parse_measure(name: str) -> Measure:
    """Read one name; `MRR`, `MAP`, `NDCG`, `Recall`, `Precision` mean `RR`, `AP`, `nDCG`, `R`, `P`.

    Raises:
        ConfigError: there is no such measure, or it lacks a cutoff.
    """
    # Not `ir_measures.parse_measure`: it walks syntax nodes that newer Pythons no longer have.
    found = re.fullmatch(r"(\w+?)(?:@([0-9]+))?", name.strip())
    family = _ALIASES.get(found[1], found[1]) if found else ""
    if found is None or (family not in _FAMILIES and family != "F1"):
        raise ConfigError(f"measure `{name}`: there is no such measure; known are {_KNOWN}")
    cutoff = int(found[2]) if found[2] else None
    if cutoff is None and family in _NEEDS_CUTOFF:
        raise ConfigError(f"measure `{name}`: needs a cutoff, for example {family}@50")
    if cutoff == 0:
        raise ConfigError(f"measure `{name}`: a cutoff is 1 or more")
    return Measure(family, cutoff)


def parse_measures(names: Sequence[str]) -> list[Measure]:
    """Read measure names in their order.

    Raises:
        ConfigError: a name is unknown, the same measure is named twice, or none is named.
    """
    if isinstance(names, str):
        raise ConfigError(f"measures: expected a list of names, got the single text `{names}`")
    measures = [parse_measure(name) for name in names]
    if not measures:
        raise ConfigError(f"measures: none is named; name some of {_KNOWN}")
    for measure in measures:
        if measures.count(measure) > 1:
            raise ConfigError(f"measures: {measure.name} is named more than once; name it once")
    return measures


def depth_of(measures: Sequence[Measure]) -> int:
    """How deep rankings must go: the largest cutoff of `measures`, or 1000 for one without a cutoff."""
    return max(measure.depth for measure in measures)


def measure_queries(
    measures: Sequence[Measure],
    qrels: Mapping[str, Mapping[str, int]],
    rankings: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    """Value of every measure for every query of `qrels`: {measure name: {query_id: value}}.

    Args:
        measures: what to compute.
        qrels: {query_id: {item_id: grade}}, each query with at least one relevant item.
        rankings: {query_id: item ids, best first}; a query that is missing or empty gets 0.
    """
    leaves = {leaf.name: leaf for measure in measures for leaf in _leaves(measure)}
    wanted = {name: _as_ir_measures(leaf) for name, leaf in leaves.items()}
    names = {str(computed): name for name, computed in wanted.items()}
    # trec_eval orders by score (in single precision) and breaks ties by falling item id. Scores made of
    # ranks, which are exact and never tie, let it see the ranking as it was given.
    run = {
        query_id: {item_id: float(len(items) - rank) for rank, item_id in enumerate(items)}
        for query_id, items in rankings.items()
        if items and query_id in qrels
    }
    judged = {query_id: dict(grades) for query_id, grades in qrels.items()}
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(judged, 0.0) for name in wanted}
    for metric in _provider.iter_calc(list(wanted.values()), judged, run):
        values[names[str(metric.measure)]][metric.query_id] = float(metric.value)
    for measure in measures:
        if measure.family == "F1":
            values[measure.name] = _harmonic_means(*(values[leaf.name] for leaf in _leaves(measure)))
    return {measure.name: values[measure.name] for measure in measures}


def _as_ir_measures(measure: Measure) -> ir_measures.Measure:
    family = _FAMILIES[measure.family]
    return family if measure.cutoff is None else family @ measure.cutoff


def _leaves(measure: Measure) -> tuple[Measure, ...]:
    if measure.family == "F1":
        return Measure("P", measure.cutoff), Measure("R", measure.cutoff)
    return (measure,)


def _harmonic_means(precision: Mapping[str, float], recall: Mapping[str, float]) -> dict[str, float]:
    return {
        query_id: 2 * p * recall[query_id] / (p + recall[query_id]) if p + recall[query_id] > 0 else 0.0
        for query_id, p in precision.items()
    }
