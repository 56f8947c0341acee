"""Compares two reports query by query: how far apart the means are, and how sure that is.

Knows nothing of what was run; only of two columns of values for the same queries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from rich import box
from rich.markup import escape
from rich.table import Table
from scipy import stats

from smar.evaluation.measures import parse_measure
from smar.evaluation.report import UNGROUPED, Report, check_has, check_same_queries, render
from smar.evaluation.resampling import Floats, bootstrap_intervals, randomisation_p


@dataclass(frozen=True, slots=True)
class Difference:
    """How far b lies above a over some queries; positive means b is better."""

    queries: int
    mean_a: float
    mean_b: float
    difference: float
    """`mean_b - mean_a`."""
    interval: tuple[float, float]
    """95 % bootstrap interval of the mean of the queries' differences."""
    p: float
    """Paired randomisation test, two-sided."""
    p_t_test: float | None
    """Paired t-test, two-sided; None for fewer than two queries or equal differences."""

    @classmethod
    def build(cls, a: Floats, b: Floats) -> Difference:
        """Compare the values [query] of a and b for the same queries in the same order."""
        differences = b - a
        low, high = bootstrap_intervals(differences[:, None])[:, 0]
        varies = len(differences) > 1 and float(np.ptp(differences)) > 1e-12
        return cls(
            queries=len(a),
            mean_a=float(a.mean()),
            mean_b=float(b.mean()),
            difference=float(differences.mean()),
            interval=(float(low), float(high)),
            p=randomisation_p(differences),
            p_t_test=float(stats.ttest_rel(b, a).pvalue) if varies else None,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on one measure, overall and by department."""

    a: str
    b: str
    measure: str
    overall: Difference
    by_department: dict[str, Difference]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "a": self.a,
            "b": self.b,
            "measure": self.measure,
            "overall": asdict(self.overall),
            "by": {"department": {name: asdict(found) for name, found in self.by_department.items()}},
        }

    def table(self) -> Table:
        """A table for the terminal: overall, then a row a department."""
        table = Table(
            title=escape(f"{self.measure}: {self.b} against {self.a}"),
            box=box.SIMPLE_HEAD,
            title_justify="left",
        )
        table.add_column("")
        for heading in ("queries", self.a, self.b, "difference", "95 % interval", "p", "p (t-test)"):
            table.add_column(escape(heading), justify="right", no_wrap=True)
        for name, found in {"overall": self.overall, **self.by_department}.items():
            low, high = found.interval
            table.add_row(
                escape(name),
                f"{found.queries:,}",
                f"{found.mean_a:.3f}",
                f"{found.mean_b:.3f}",
                f"{found.difference:+.3f}",
                f"{low:+.3f} to {high:+.3f}",
                shown_p(found.p),
                shown_p(found.p_t_test),
            )
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return render(self.table())


def compare(a: Report, b: Report, measure: str) -> Comparison:
    """Compare two reports on the same queries; a positive difference says that `b` is better.

    Raises:
        ConfigError: there is no such measure.
        MismatchError: the reports judge different queries, or one lacks the measure.
    """
    name = parse_measure(measure).name
    check_same_queries(a, b)
    for report in (a, b):
        check_has(report, name)
    pairs = pl.DataFrame(
        {
            "department": a.per_query["department"].fill_null(UNGROUPED),
            "a": a.per_query[name],
            "b": b.per_query[name],
        }
    )
    differences = {group: _difference(pairs.filter(department=group)) for group in a.by_department}
    return Comparison(a.name, b.name, name, _difference(pairs), differences)


def _difference(pairs: pl.DataFrame) -> Difference:
    return Difference.build(pairs["a"].to_numpy(), pairs["b"].to_numpy())


def shown_p(p: float | None) -> str:
    """A p as tables show it; none is a dash."""
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
