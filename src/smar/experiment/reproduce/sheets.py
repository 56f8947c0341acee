"""What the report shows as tables, once, to be written as Markdown and as HTML. Knows the figures; no files."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smar.evaluation.compare import shown_p
from smar.experiment.reproduce.gate import Gap, Routed
from smar.experiment.reproduce.slices import RARE_BELOW
from smar.experiment.reproduce.table import OVERALL, PAPER, TESTED, Found, Line, Reproduction, number


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and what stands in small below it."""

    text: str
    notes: tuple[str, ...] = ()

    def html(self) -> str:
        """A cell of a table."""
        notes = "".join(f"<small>{html.escape(note)}</small>" for note in self.notes)
        return f"<td>{html.escape(self.text)}{notes}</td>"

    def markdown(self) -> str:
        """A cell of a table; notes follow the text in brackets."""
        return (self.text + (f" ({'; '.join(self.notes)})" if self.notes else "")).replace("|", "\\|")


@dataclass(frozen=True)
class SheetRow:
    """A row; rows of one `part` stand under its name."""

    cells: tuple[Cell, ...]
    part: str = ""
    is_ours: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table with a title and, if need be, a sentence that says how to read it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    note: str = ""

    def markdown(self) -> str:
        """A section of Markdown."""
        lines = [list(self.head), ["---"] * len(self.head)]
        lines += [[cell.markdown() for cell in row.cells] for row in self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return "\n\n".join(part for part in (f"## {self.title}", self.note, table) if part)

    def html(self) -> str:
        """A heading and a table."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.head)
        rows, part = [], ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                rows.append(f'<tr><th class="part" colspan="{len(self.head)}">{html.escape(part)}</th></tr>')
            style = ' class="ours"' if row.is_ours else ""
            rows.append(f"<tr{style}>{''.join(cell.html() for cell in row.cells)}</tr>")
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        return f"<h2>{html.escape(self.title)}</h2>{note}<table><tr>{head}</tr>{''.join(rows)}</table>"


def result_sheets(found: Reproduction) -> Iterator[Sheet]:
    """Every group with all measures (overall with the paper's), what the gate is worth, new arrivals and rare words."""
    for group in found.groups:
        queries = found.lines[0].found[group].queries
        head = ("", "seeds", *found.measures, *(f"SMAR's lead, {name}" for name in TESTED))
        yield Sheet(
            f"{group}: {queries:,} queries",
            head,
            tuple(_measured(found, line, group) for line in found.lines),
        )
    if found.gate is not None:
        yield _gap_sheet(found.gate.gaps)
        yield _routed_sheet(found.gate.routed)
    for group, sizes in found.slice_sizes.items():
        yield _slice_sheet(found, group, sizes)


def kind_sheet(found: Reproduction) -> Sheet:
    """Mean nDCG@10 by kind of query."""
    kinds = list(found.lines[0].kinds)
    rows = tuple(
        _row(line, [Cell(number(line.kinds[kind]["nDCG@10"])) for kind in kinds]) for line in found.lines
    )
    return Sheet("nDCG@10 by kind of query", ("", *kinds), rows)


def _measured(found: Reproduction, line: Line, group: str) -> SheetRow:
    of_group = line.found[group]
    paper = PAPER.get(line.row.name, {}) if group == OVERALL else {}
    cells = [Cell(str(line.seeds))]
    for name in found.measures:
        low, high = of_group.interval[name]
        beside = (f"paper {number(paper[name])}",) if name in paper else ()
        cells.append(Cell(number(of_group.mean[name]), (f"{number(low)} to {number(high)}", *beside)))
    return _row(line, cells + [_lead(of_group, name) for name in TESTED])


def _lead(found: Found, name: str) -> Cell:
    lead = found.below.get(name)
    return Cell("") if lead is None else Cell(f"{lead.difference:+.3f}", (f"p {shown_p(lead.p)}",))


def _gap_sheet(gaps: Sequence[Gap]) -> Sheet:
    rows = tuple(
        SheetRow(
            (
                Cell(gap.measure),
                Cell(number(gap.better)),
                Cell(f"{gap.gate:+.4f}"),
                Cell(f"{gap.oracle:+.4f}", (_share(gap.closed),)),
                Cell(f"{gap.routed:+.4f}"),
                Cell(f"{gap.attainable:+.4f}", (_share(gap.closed_of_attainable),)),
                Cell(f"{gap.lucky:+.4f}"),
            )
        )
        for gap in gaps
    )
    head = (
        "",
        "better of always and never",
        "gate's lead over it",
        "oracle's lead",
        "gate's, on halves",
        "attainable, on halves",
        "oracle's, on halves",
    )
    note = (
        "The oracle takes the better of both for each query, luck included. On halves: the choice is made on half of a "
        f"query's relevant items and measured on the others ({gaps[0].queries_halved:,} queries have two or more), "
        "which leaves of its lead what is no luck; half the judgements choose worse than all, so it is a low estimate."
    )
    return Sheet("What the gate is worth", head, rows, note)


def _routed_sheet(routed: Sequence[Routed]) -> Sheet:
    rows = tuple(
        SheetRow(
            (
                Cell(f"{part.department}, {part.measure}"),
                Cell(f"{part.queries:,}"),
                Cell(f"{part.with_image:.0%}"),
                *(Cell(number(value)) for value in (part.gate, part.always, part.never)),
            )
        )
        for part in routed
    )
    head = ("", "queries", "sent to the image", "gate", "always", "never")
    return Sheet("The gate by department", head, rows)


def _slice_sheet(found: Reproduction, group: str, sizes: dict[str, int]) -> Sheet:
    rows = tuple(
        _row(line, [Cell(number(line.slices[group][name])) for name in sizes])
        for line in found.lines
        if group in line.slices
    )
    note = (
        "R@50. Clicked items and new arrivals (never clicked in the log): of the queries that want both, the share "
        f"found of each. Rare words: queries with a word that fewer than {RARE_BELOW} queries of the log have."
    )
    head = ("", *(f"{name} ({count:,})" for name, count in sizes.items()))
    return Sheet(f"{group}: new arrivals and rare words", head, rows, note)


def _row(line: Line, cells: Sequence[Cell]) -> SheetRow:
    return SheetRow((Cell(line.row.name), *cells), line.row.part, line.row.name == "SMAR")


def _share(part: float | None) -> str:
    return "none" if part is None else f"gate closes {part:.0%}"
