"""Reports: summaries by group, intervals, JSON and tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from smar.data.records import Query
from smar.errors import MismatchError
from smar.evaluation.evaluate import evaluate_run
from smar.evaluation.report import Report, render, reports_json, reports_table
from smar.evaluation.resampling import bootstrap_intervals
from smar.evaluation.run import Run

QUERIES = [
    Query("q1", "red shoe", "fashion", "colour"),
    Query("q2", "boot", "fashion", "type"),
    Query("q3", "lamp", "home", "type"),
    Query("q4", "rug", "home", None),
]
QRELS = {f"q{number}": {"a": 1} for number in range(1, 5)}


def report(name: str, found: str, queries: list[Query] = QUERIES) -> Report:
    """A report of a run that finds the item for the queries numbered in `found`."""
    rankings = {query.query_id: [("a" if query.query_id[1] in found else "x", 1.0)] for query in queries}
    return evaluate_run(Run.build(name, rankings), queries, QRELS, ["R@50", "nDCG@10"])


def test_a_report_has_a_row_a_judged_query() -> None:
    table = report("r", "13").per_query
    assert table.columns == ["query_id", "department", "kind", "R@50", "nDCG@10"]
    assert table.rows()[0] == ("q1", "fashion", "colour", 1.0, 1.0)
    assert table["R@50"].to_list() == [1.0, 0.0, 1.0, 0.0]
    assert table["kind"].to_list() == ["colour", "type", "type", None]


def test_means_are_given_overall_and_by_group() -> None:
    found = report("r", "123")
    assert found["R@50"] == found.overall["R@50"] == pytest.approx(3 / 4)
    assert {name: group["R@50"] for name, group in found.by_department.items()} == {
        "fashion": 1.0,
        "home": 0.5,
    }
    assert {name: group.queries for name, group in found.by_kind.items()} == {
        "(none)": 1,
        "colour": 1,
        "type": 2,
    }


def test_queries_without_departments_give_no_groups() -> None:
    queries = [Query("q1", "red shoe"), Query("q2", "boot")]
    found = report("r", "1", queries)
    assert found.by_department == found.by_kind == {}
    assert found.to_json()["by"] == {"department": {}, "kind": {}}
    assert "overall" in str(found)


def test_an_interval_lies_around_its_mean_and_repeats_itself() -> None:
    found = report("r", "12").overall
    low, high = found.intervals["R@50"]
    assert 0 <= low < 0.5 < high <= 1
    assert report("r", "12").overall.intervals == found.intervals


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert bootstrap_intervals(np.full((7, 1), 0.1))[:, 0] == pytest.approx([0.1, 0.1])


def test_an_interval_does_not_depend_on_the_neighbouring_measures() -> None:
    columns = np.random.default_rng(1).random((30, 3))
    alone = bootstrap_intervals(columns[:, 1:2])
    assert np.array_equal(bootstrap_intervals(columns)[:, 1:2], alone)


def test_another_seed_draws_other_samples() -> None:
    columns = np.random.default_rng(1).random((30, 1))
    assert not np.array_equal(bootstrap_intervals(columns, seed=1), bootstrap_intervals(columns, seed=2))


def test_json_has_the_promised_form() -> None:
    found = json.loads(json.dumps(reports_json([report("one", "123"), report("two", "1")])))
    assert list(found) == ["runs"]
    assert list(found["runs"]) == ["one", "two"]
    one = found["runs"]["one"]
    assert list(one) == ["overall", "by", "intervals", "queries", "counts"]
    assert one["overall"] == {"R@50": 0.75, "nDCG@10": 0.75}
    assert one["by"]["department"]["home"] == {"R@50": 0.5, "nDCG@10": 0.5}
    assert set(one["by"]["kind"]) == {"(none)", "colour", "type"}
    low, high = one["intervals"]["overall"]["R@50"]
    assert low <= 0.75 <= high
    assert len(one["intervals"]["by"]["department"]["home"]["R@50"]) == 2
    assert one["intervals"]["confidence"] == 0.95
    assert one["queries"] == {
        "overall": 4,
        "by": {"department": {"fashion": 2, "home": 2}, "kind": {"(none)": 1, "colour": 1, "type": 2}},
    }
    assert one["counts"] == {"judged": 4, "unjudged": 0, "empty": 0, "unasked": 0, "unknown": 0, "depth": 1}


def test_two_reports_of_one_name_are_refused() -> None:
    with pytest.raises(MismatchError, match="2 reports are called one"):
        reports_json([report("one", "1"), report("one", "2")])


def test_a_printed_report_shows_groups_intervals_and_what_was_left_out() -> None:
    queries = [*QUERIES, Query("q5", "not judged")]
    text = str(report("mine", "123", queries))
    assert text.startswith("mine")
    for words in (
        "overall",
        "fashion",
        "home",
        "(none)",
        "0.750 [",
        "4 judged queries; 1 without a relevant item",
    ):
        assert words in text
    assert "\x1b" not in text


def test_a_report_shown_by_python_is_one_line() -> None:
    assert repr(report("mine", "123")) == "Report(mine, Summary(4 queries: R@50 0.750, nDCG@10 0.750))"


def test_names_in_square_brackets_are_printed_and_not_taken_for_markup() -> None:
    queries = [Query("q1", "red shoe", "[red]"), Query("q2", "boot", "[/]")]
    found = report("[bold]", "1", queries)
    assert "[bold]" in str(found)
    assert "[red]" in str(found)
    assert "[/]" in render(reports_table([found], ["R@50"]))


def test_a_table_of_reports_has_runs_in_rows_and_departments_in_columns() -> None:
    text = render(reports_table([report("one", "123"), report("two", "1")], ["R@50"]))
    assert [line.split() for line in text.splitlines() if line.strip("─ ")] == [
        ["overall", "fashion", "home"],
        ["run", "R@50", "R@50", "R@50"],
        ["one", "0.750", "1.000", "0.500"],
        ["two", "0.250", "0.500", "0.000"],
    ]


def test_the_best_run_of_a_column_is_bold() -> None:
    table = reports_table([report("one", "123"), report("two", "1")], ["R@50"])
    assert list(table.columns[1].cells) == ["[bold]0.750[/bold]", "0.250"]


def test_a_table_of_reports_on_different_queries_is_refused() -> None:
    with pytest.raises(MismatchError, match="judged on different queries \\(1 only in the first, 0 only"):
        reports_table([report("one", "1"), report("two", "1", QUERIES[:3])], ["R@50"])


def test_a_table_of_a_measure_that_a_report_lacks_is_refused() -> None:
    with pytest.raises(MismatchError, match="one: has no P@50, only R@50, nDCG@10"):
        reports_table([report("one", "1")], ["P@50"])
