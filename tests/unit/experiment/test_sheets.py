"""The report's tables, as Markdown and as HTML."""

from __future__ import annotations

import polars as pl

from smar.experiment.reproduce.gate import Gap, GateFindings, Routed
from smar.experiment.reproduce.rows import SMAR, Row
from smar.experiment.reproduce.sheets import Cell, Sheet, SheetRow, kind_sheet, result_sheets
from smar.experiment.reproduce.table import Reproduction, build_lines

MEASURES = ("R@50", "nDCG@10")
GAP = Gap(
    "nDCG@10", better=0.5, gate=0.01, oracle=0.04, routed=0.008, attainable=0.01, lucky=0.05, queries_halved=7
)


def found(gate: GateFindings | None = None) -> Reproduction:
    table = pl.DataFrame(
        {
            "query_id": ["q1", "q2"],
            "department": ["fashion", "tools"],
            "kind": ["a|b", "a|b"],
            "R@50": [0.5, 1.0],
            "nDCG@10": [0.0, 1.0],
        }
    )
    rival = Row("<rival>", "rivals")
    lines = build_lines({rival: [table], SMAR: [table]}, {rival: "x", SMAR: "y"}, {}, MEASURES, SMAR)
    return Reproduction("shop", "dev", "mart.toml", MEASURES, lines, {}, gate)


def test_both_forms_say_the_same_and_escape_what_is_not_theirs() -> None:
    row = SheetRow((Cell("<a>"), Cell("1|2", ("p .5", "low"))), part="rivals", is_ours=True)
    sheet = Sheet("A & B", ("", "x"), (row,), "How to read.")
    assert (
        sheet.markdown() == "## A & B\n\nHow to read.\n\n|  | x |\n| --- | --- |\n| <a> | 1\\|2 (p .5; low) |"
    )
    page = sheet.html()
    assert "<h2>A &amp; B</h2><p>How to read.</p>" in page
    assert '<th class="part" colspan="2">rivals</th>' in page
    assert '<tr class="ours"><td>&lt;a&gt;</td><td>1|2<small>p .5</small><small>low</small></td></tr>' in page


def test_the_papers_figures_stand_beside_those_overall_alone() -> None:
    sheets = [sheet.markdown() for sheet in result_sheets(found())]
    assert len(sheets) == 3
    assert sheets[0].startswith("## Overall: 2 queries")
    assert "paper .690" in sheets[0]
    assert not any("paper" in sheet for sheet in sheets[1:])
    assert "| SMAR | 1 | .750 (.500 to 1.000; paper .690) |" in sheets[0]
    assert "| a\\|b |" not in sheets[0]


def test_the_gate_is_told_of_where_it_was_measured() -> None:
    routed = Routed("fashion", "nDCG@10", 12, 0.75, gate=0.6, always=0.59, never=0.3)
    sheets = {
        sheet.title: sheet.markdown()
        for sheet in result_sheets(found(GateFindings(0.5, (GAP,), (routed,), None)))
    }
    worth = sheets["What the gate is worth"]
    assert (
        "| nDCG@10 | .500 | +0.0100 | +0.0400 (gate closes 25%) | +0.0080 | +0.0100 (gate closes 80%) | +0.0500 |"
        in worth
    )
    assert "(7 queries have two or more)" in worth
    assert "| fashion, nDCG@10 | 12 | 75% | .600 | .590 | .300 |" in sheets["The gate by department"]


def test_kinds_have_a_column_each() -> None:
    assert kind_sheet(found()).rows[1].cells[1].text == ".500"
