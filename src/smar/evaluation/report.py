"""What a run is worth: values per query, means with intervals, overall and by group; JSON and tables.

Knows nothing of how the values came about.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from smar.data.records import Query
from smar.errors import MismatchError
from smar.evaluation.measures import parse_measures
from smar.evaluation.resampling import CONFIDENCE, RESAMPLES, SEED, Floats, bootstrap_intervals

GROUPINGS = ("department", "kind")
UNGROUPED = "(none)"

_AS_WIDE_AS_NEEDED = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What was judged and what was left out."""

    judged: int
    """Queries with a relevant item: the ones the means are over."""
    unjudged: int
    """Queries without any relevant item, left out of the means."""
    empty: int
    """Judged queries for which nothing was retrieved; they count as 0."""
    unasked: int
    """Queries of the run that are not among the queries asked, left out."""
    unknown: int
    """Queries of the judgements that are not among the queries asked, left out."""
    depth: int
    """Length of the longest ranking judged."""


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """Means of some queries' values, with 95 % bootstrap intervals; `summary["R@50"]` is a mean."""

    measures: tuple[str, ...]
    values: Floats
    """[query, measure]."""

    @property
    def queries(self) -> int:
        """How many queries the means are over."""
        return len(self.values)

    @cached_property
    def means(self) -> dict[str, float]:
        """{measure: mean}."""
        return dict(zip(self.measures, self.values.mean(axis=0).tolist(), strict=True))

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """{measure: (low, high)}."""
        low, high = bootstrap_intervals(self.values)
        return {name: (float(low[i]), float(high[i])) for i, name in enumerate(self.measures)}

    def __getitem__(self, measure: str) -> float:
        return self.means[measure]

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {mean:.3f}" for name, mean in self.means.items())
        return f"Summary({self.queries:,} queries: {means})"


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A run's values per query and their summaries."""

    name: str
    measures: tuple[str, ...]
    per_query: pl.DataFrame
    """query_id, department, kind and a column a measure; a row a judged query, sorted by query_id."""
    counts: Counts

    @classmethod
    def build(
        cls, name: str, queries: Sequence[Query], values: Mapping[str, Mapping[str, float]], counts: Counts
    ) -> Report:
        """Gather {measure: {query_id: value}} of judged `queries` into a report."""
        ordered = sorted(queries, key=lambda query: query.query_id)
        table = pl.DataFrame(
            {
                "query_id": pl.Series([query.query_id for query in ordered], dtype=pl.String),
                "department": pl.Series([query.department for query in ordered], dtype=pl.String),
                "kind": pl.Series([query.kind for query in ordered], dtype=pl.String),
                **{
                    measure: pl.Series([by_query[query.query_id] for query in ordered], dtype=pl.Float64)
                    for measure, by_query in values.items()
                },
            }
        )
        return cls(name, tuple(values), table, counts)

    @property
    def unjudged(self) -> int:
        """How many queries had no relevant item and were left out of the means."""
        return self.counts.unjudged

    @cached_property
    def overall(self) -> Summary:
        """Over all judged queries."""
        return self._summary(self.per_query)

    @cached_property
    def by_department(self) -> dict[str, Summary]:
        """By the queries' department, in alphabetical order; empty if no query has one."""
        return self._groups("department")

    @cached_property
    def by_kind(self) -> dict[str, Summary]:
        """By the queries' kind, in alphabetical order; empty if no query has one."""
        return self._groups("kind")

    def __getitem__(self, measure: str) -> float:
        return self.overall[measure]

    def __repr__(self) -> str:
        return f"Report({self.name}, {self.overall!r})"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; docs/evaluation.md shows their form."""
        groupings = dict(zip(GROUPINGS, (self.by_department, self.by_kind), strict=True))
        return {
            "overall": self.overall.means,
            "by": _nested(groupings, lambda summary: summary.means),
            "intervals": {
                "overall": _lists(self.overall),
                "by": _nested(groupings, _lists),
                "confidence": CONFIDENCE,
                "resamples": RESAMPLES,
                "seed": SEED,
            },
            "queries": {
                "overall": self.overall.queries,
                "by": _nested(groupings, lambda summary: summary.queries),
            },
            "counts": asdict(self.counts),
        }

    def table(self) -> Table:
        """A table for the terminal: a row a group, means with their intervals."""
        table = Table(
            title=escape(self.name), caption=self._caption(), box=box.SIMPLE_HEAD, title_justify="left"
        )
        table.caption_justify = "left"
        table.add_column("", overflow="fold")
        table.add_column("queries", justify="right")
        for measure in self.measures:
            table.add_column(measure, justify="right", no_wrap=True)
        _add_group(table, "overall", self.overall)
        for groups in (self.by_department, self.by_kind):
            table.add_section()
            for group, summary in groups.items():
                _add_group(table, group, summary)
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return render(self.table())

    def _summary(self, rows: pl.DataFrame) -> Summary:
        return Summary(self.measures, rows.select(self.measures).to_numpy().astype(np.float64))

    def _groups(self, column: str) -> dict[str, Summary]:
        if self.per_query[column].null_count() == len(self.per_query):
            return {}
        labelled = self.per_query.with_columns(pl.col(column).fill_null(UNGROUPED))
        parts = labelled.partition_by(column, as_dict=True, maintain_order=True)
        return {str(label): self._summary(rows) for (label,), rows in sorted(parts.items())}

    def _caption(self) -> str:
        counts = self.counts
        words = [f"{counts.judged:,} judged queries", f"{counts.unjudged:,} without a relevant item left out"]
        if counts.empty:
            words.append(f"{counts.empty:,} got no item and count as 0")
        if counts.unasked:
            words.append(f"{counts.unasked:,} queries of the run not asked")
        if counts.unknown:
            words.append(f"{counts.unknown:,} judged queries not asked")
        return "; ".join(words) + f". {CONFIDENCE:.0%} bootstrap intervals over queries."


def reports_json(reports: Sequence[Report]) -> dict[str, Any]:
    """`{"runs": {NAME: ...}}` with each report's `to_json()`.

    Raises:
        MismatchError: two reports have the same name.
    """
    _refuse_equal_names(reports)
    return {"runs": {report.name: report.to_json() for report in reports}}


def reports_table(reports: Sequence[Report], measures: Sequence[str]) -> Table:
    """Runs in rows; in columns the measures overall, then by department. The best of a column is bold.

    Raises:
        MismatchError: the reports judge different queries, lack a measure, or share a name.
    """
    names = [measure.name for measure in parse_measures(measures)]
    _refuse_equal_names(reports)
    for report in reports:
        check_same_queries(reports[0], report)
        for name in names:
            check_has(report, name)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("run")
    rows: list[list[str]] = [[escape(report.name)] for report in reports]
    for group in ("overall", *(reports[0].by_department if reports else ())):
        summaries = [
            report.overall if group == "overall" else report.by_department[group] for report in reports
        ]
        for position, name in enumerate(names):
            table.add_column(f"{'' if position else escape(group)}\n{name}", justify="right", no_wrap=True)
            shown = [f"{summary[name]:.3f}" for summary in summaries]
            for row, text in zip(rows, shown, strict=True):
                row.append(f"[bold]{text}[/bold]" if len(shown) > 1 and text == max(shown) else text)
    for row in rows:
        table.add_row(*row)
    return table


def render(table: Table) -> str:
    """A table as plain text, as wide as it needs, without colours."""
    console = Console(file=io.StringIO(), width=_AS_WIDE_AS_NEEDED, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip("\n")


def check_same_queries(a: Report, b: Report) -> None:
    """Raise `MismatchError` unless both reports judge the same queries, labelled the same."""
    labels = ["query_id", *GROUPINGS]
    if a.per_query.select(labels).equals(b.per_query.select(labels)):
        return
    of_a, of_b = set(a.per_query["query_id"]), set(b.per_query["query_id"])
    if of_a == of_b:
        raise MismatchError(
            f"{a.name} and {b.name}: label the same queries differently; evaluate both on one query file"
        )
    example = min(of_a ^ of_b)
    raise MismatchError(
        f"{a.name} and {b.name}: judged on different queries ({len(of_a - of_b):,} only in the first, "
        f"{len(of_b - of_a):,} only in the second, such as {example}); evaluate both on one set"
    )


def check_has(report: Report, measure: str) -> None:
    """Raise `MismatchError` unless the report has `measure`."""
    if measure not in report.measures:
        raise MismatchError(
            f"{report.name}: has no {measure}, only {', '.join(report.measures)}; evaluate it with {measure}"
        )


def _refuse_equal_names(reports: Sequence[Report]) -> None:
    names = [report.name for report in reports]
    for name in names:
        if names.count(name) > 1:
            raise MismatchError(f"{names.count(name)} reports are called {name}; give each run its own name")


def _nested(groupings: Mapping[str, Mapping[str, Summary]], pick: Any) -> dict[str, dict[str, Any]]:
    return {
        grouping: {group: pick(summary) for group, summary in groups.items()}
        for grouping, groups in groupings.items()
    }


def _lists(summary: Summary) -> dict[str, list[float]]:
    return {measure: list(interval) for measure, interval in summary.intervals.items()}


def _add_group(table: Table, group: str, summary: Summary) -> None:
    cells = [
        f"{summary[measure]:.3f} [{low:.3f}, {high:.3f}]"
        for measure, (low, high) in summary.intervals.items()
    ]
    table.add_row(escape(group), f"{summary.queries:,}", *cells)
