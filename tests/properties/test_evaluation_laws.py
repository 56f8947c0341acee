"""Laws that hold for every run, whatever it ranks and whoever judged it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smar.data.records import Query
from smar.evaluation.compare import compare
from smar.evaluation.evaluate import evaluate_run
from smar.evaluation.report import Report
from smar.evaluation.run import Ranking, Run

NAMES = ["R@5", "P@5", "F1@5", "nDCG@5", "nDCG", "RR", "RR@5", "AP"]
ITEMS = [f"item-{number}" for number in range(12)]

Grades = dict[str, dict[str, int]]
Case = tuple[list[Query], Grades, Run]

scores = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    found = draw(st.lists(st.sampled_from(ITEMS), unique=True, max_size=12))
    drawn = draw(st.lists(scores, min_size=len(found), max_size=len(found)))
    return list(zip(found, sorted(drawn, reverse=True), strict=True))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to six queries, the first of them judged for certain, with grades and rankings."""
    number = draw(st.integers(1, 6))
    departments = st.sampled_from(["fashion", "home", None])
    queries = [Query(f"q{index}", f"text {index}", draw(departments)) for index in range(number)]
    grades = st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 3), max_size=8)
    qrels = {query.query_id: draw(grades) for query in queries}
    qrels["q0"][draw(st.sampled_from(ITEMS))] = 2
    return queries, qrels, Run.build("run", {query.query_id: draw(rankings()) for query in queries})


def judge(queries: list[Query], qrels: Grades, run: Run) -> Report:
    return evaluate_run(run, queries, qrels, NAMES)


@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_the_order_of_queries_judgements_and_rankings_changes_nothing(
    case: Case, data: st.DataObject
) -> None:
    queries, qrels, run = case
    mixed = judge(
        data.draw(st.permutations(queries)),
        dict(data.draw(st.permutations(list(qrels.items())))),
        Run.build(run.name, dict(data.draw(st.permutations(list(run.rankings.items()))))),
    )
    assert mixed.to_json() == judge(queries, qrels, run).to_json()
    assert mixed.per_query.equals(judge(queries, qrels, run).per_query)


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_every_value_lies_between_zero_and_one(case: Case) -> None:
    found = judge(*case)
    for name in NAMES:
        assert found.per_query[name].is_between(0.0, 1.0 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_an_interval_contains_its_mean(case: Case) -> None:
    found = judge(*case)
    for summary in (found.overall, *found.by_department.values()):
        for name, (low, high) in summary.intervals.items():
            assert low <= summary[name] <= high


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_run_in_the_order_of_the_grades_is_perfect(case: Case) -> None:
    queries, qrels, _ = case
    ideal = {
        query: [
            (item, float(grade))
            for item, grade in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        for query, found in qrels.items()
    }
    perfect = evaluate_run(
        Run.build("perfect", ideal), queries, qrels, ["R@12", "nDCG@12", "nDCG@3", "RR", "AP"]
    )
    assert perfect.overall.means == pytest.approx(dict.fromkeys(perfect.measures, 1.0))


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_f1_lies_between_precision_and_recall(case: Case) -> None:
    table = judge(*case).per_query
    for precision, recall, f1 in table.select("P@5", "R@5", "F1@5").iter_rows():
        assert min(precision, recall) - 1e-12 <= f1 <= max(precision, recall) + 1e-12


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_query_without_a_relevant_item_is_counted_and_has_no_row(case: Case) -> None:
    queries, qrels, run = case
    found = judge(queries, qrels, run)
    judged = {query for query, grades in qrels.items() if max(grades.values(), default=0) >= 1}
    assert set(found.per_query["query_id"]) == judged
    assert found.unjudged == len(queries) - len(judged)


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_an_item_nobody_judged_at_the_end_of_a_ranking_changes_nothing(case: Case) -> None:
    queries, qrels, run = case
    longer = {
        query: [*found, ("stranger", found[-1][1])] if found else [("stranger", 0.0)]
        for query, found in run.rankings.items()
    }
    found = judge(queries, qrels, Run.build(run.name, longer))
    assert found.overall.means == pytest.approx(judge(queries, qrels, run).overall.means)


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_run_written_and_read_is_the_same_run(case: Case) -> None:
    run = case[2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec"
        run.write(path)
        if run.depth:
            assert Run.read(path).rankings == {query: found for query, found in run.rankings.items() if found}


@settings(max_examples=25, deadline=None)
@given(case=cases(), data=st.data())
def test_the_two_sides_of_a_comparison_mirror_each_other(case: Case, data: st.DataObject) -> None:
    queries, qrels, run = case
    other = Run.build("other", {query.query_id: data.draw(rankings()) for query in queries})
    a, b = judge(queries, qrels, run), judge(queries, qrels, other)
    for name in ("R@5", "nDCG"):
        there, back = compare(a, b, name).overall, compare(b, a, name).overall
        assert there.difference == pytest.approx(-back.difference)
        assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
        assert there.p == back.p
        assert 0 < there.p <= 1
