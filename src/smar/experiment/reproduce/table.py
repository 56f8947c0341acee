"""The table: means with intervals by group, differences from SMAR with p, and the paper's own figures beside.

Knows values per query; nothing of models, runs or searching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from rich import box
from rich.markup import escape
from rich.table import Table

from smar.errors import ConfigError
from smar.evaluation.compare import Difference
from smar.evaluation.resampling import Floats, bootstrap_intervals
from smar.experiment.reproduce.gate import GateFindings
from smar.experiment.reproduce.rows import Row

OVERALL = "Overall"
TESTED = ("R@50", "nDCG@10")
"""The measures for which rows are compared with SMAR."""

CAPTION = (
    "Means over queries and seeds, 95 % bootstrap intervals over queries. p: paired randomisation test over queries of "
    "the difference from SMAR with the same seeds, corrected by Holm over the rows shown; how much another "
    "training would change a row, only the rows of several seeds tell. Words that the shop does not know are read as "
    "known ones, but for BM25. The paper's figures are of its own shop."
)

PAPER = {
    "DPSR-i (image only)": {"R@50": 0.349, "P@50": 0.018, "F1@50": 0.034},
    "DPSR (text only)": {"R@50": 0.641, "P@50": 0.031, "F1@50": 0.059},
    "SMAR": {"R@50": 0.690, "P@50": 0.033, "F1@50": 0.063},
}
"""The paper's figures overall, on its own 373,343 queries and 957,842 items."""


@dataclass(frozen=True)
class Found:
    """One row's measures over one group of queries; `by_seed` are the means of each seed."""

    queries: int
    mean: dict[str, float]
    interval: dict[str, tuple[float, float]]
    by_seed: dict[str, list[float]]
    below: dict[str, Difference]
    """By measure of TESTED, how far SMAR lies above this row; `p` is corrected by Holm over the rows of the group."""


@dataclass(frozen=True)
class Line:
    """One row of the table; `found` is by group, `kinds` by kind of query, `slices` R@50 by group and slice."""

    row: Row
    seeds: int
    command: str
    found: dict[str, Found]
    kinds: dict[str, dict[str, float]]
    slices: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reproduction:
    """The whole table."""

    shop: str
    split: str
    recipe: str
    measures: tuple[str, ...]
    lines: tuple[Line, ...]
    slice_sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By group and slice, how many queries it has."""
    gate: GateFindings | None = None
    """What the gate is worth; nothing where always and never were not asked."""

    @property
    def groups(self) -> list[str]:
        """Overall, and the groups of departments."""
        return list(self.lines[0].found)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "shop": self.shop,
            "split": self.split,
            "recipe": self.recipe,
            "measures": list(self.measures),
            "rows": [
                {
                    "name": line.row.name,
                    "part": line.row.part,
                    "seeds": line.seeds,
                    "command": line.command,
                    "groups": {group: asdict(found) for group, found in line.found.items()},
                    "kinds": line.kinds,
                    "slices": line.slices,
                    "paper": PAPER.get(line.row.name),
                }
                for line in self.lines
            ],
            "slice_sizes": self.slice_sizes,
            "gate": None if self.gate is None else self.gate.to_json(),
        }

    def table(self) -> Table:
        """A table for the terminal: R@50 and nDCG@10 of each group."""
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("")
        for group in self.groups:
            for name in TESTED:
                table.add_column(
                    f"{escape(group)}\n{name}" if name == TESTED[0] else f"\n{name}", justify="right"
                )
        for line in self.lines:
            means = [line.found[group].mean[name] for group in self.groups for name in TESTED]
            table.add_row(escape(line.row.name), *map(number, means))
        return table


def build_lines(
    tables: Mapping[Row, Sequence[pl.DataFrame]],
    commands: Mapping[Row, str],
    groups: Mapping[str, Sequence[str]],
    measures: Sequence[str],
    reference: Row,
) -> tuple[Line, ...]:
    """Lay values per query side by side: a table a seed for each row, all of the same queries in the same order.

    Args:
        tables: query_id, department, kind and a column a measure.
        commands: what trains and judges each row.
        groups: departments that are shown together, by name; with none, each department by itself.
        measures: the columns to show.
        reference: the row that the others are compared with.

    Raises:
        ConfigError: a group names a department that no query has.
    """
    first = tables[reference][0]
    places = group_places(first, groups)
    values = {
        row: np.stack([table.select(measures).to_numpy() for table in of]) for row, of in tables.items()
    }
    leads = {
        (group, name): _leads(values, measures.index(name), rows, reference)
        for group, rows in places.items()
        for name in TESTED
    }
    lines = []
    for row, of_seeds in values.items():
        found = {
            group: _found(of_seeds[:, rows], measures, {name: leads[group, name].get(row) for name in TESTED})
            for group, rows in places.items()
        }
        kinds = {
            str(kind): dict(
                zip(measures, of_seeds[:, part["place"].to_numpy()].mean((0, 1)).tolist(), strict=True)
            )
            for (kind,), part in sorted(
                first.with_row_index("place").drop_nulls("kind").partition_by("kind", as_dict=True).items()
            )
        }
        lines.append(Line(row, len(of_seeds), commands[row], found, kinds))
    return tuple(lines)


def check_groups(groups: Mapping[str, Sequence[str]], departments: Iterable[str | None]) -> None:
    """Raise `ConfigError` unless every group's departments are among those of the queries."""
    known = {department for department in departments if department is not None}
    for group, members in groups.items():
        if group == OVERALL:
            raise ConfigError(f"groups.{group}: is the name of all queries together; choose another")
        for department in set(members) - known:
            raise ConfigError(
                f"groups.{group}: no judged query is of department {department!r}; there are {', '.join(sorted(known))}"
            )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance of any false alarm among all tests stays below the level used."""
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * (len(p_values) - np.arange(len(p_values)))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()


def group_places(first: pl.DataFrame, groups: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """The rows of each group of departments, Overall with all; with no `groups`, each department by itself."""
    departments = first["department"].to_list()
    check_groups(groups, departments)
    known = sorted({department for department in departments if department is not None})
    named = groups or {department: [department] for department in known}
    chosen = {
        group: np.flatnonzero([department in members for department in departments])
        for group, members in named.items()
    }
    return {OVERALL: np.arange(len(departments)), **chosen}


def _leads(
    values: Mapping[Row, Floats], column: int, rows: np.ndarray, reference: Row
) -> dict[Row, Difference]:
    """How far the reference lies above every rival, over the seeds of both, with corrected p."""
    leads = {}
    for row, of_seeds in values.items():
        if row != reference and row.is_rival:
            ours = values[reference][: len(of_seeds), rows, column].mean(0)
            leads[row] = Difference.build(of_seeds[:, rows, column].mean(0), ours)
    corrected = holm([lead.p for lead in leads.values()])
    return {row: replace(lead, p=p) for (row, lead), p in zip(leads.items(), corrected, strict=True)}


def _found(of_seeds: Floats, measures: Sequence[str], leads: Mapping[str, Difference | None]) -> Found:
    per_query = of_seeds.mean(0)
    low, high = bootstrap_intervals(per_query)
    return Found(
        queries=len(per_query),
        mean=dict(zip(measures, per_query.mean(0).tolist(), strict=True)),
        interval={name: (float(low[i]), float(high[i])) for i, name in enumerate(measures)},
        by_seed={name: of_seeds[:, :, i].mean(1).tolist() for i, name in enumerate(measures)},
        below={name: lead for name, lead in leads.items() if lead is not None},
    )


def number(value: float) -> str:
    """Three places, without the zero before the point."""
    return f"{value:.3f}".removeprefix("0")
