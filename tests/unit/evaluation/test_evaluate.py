"""Asking a retriever and judging what it returns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from smar.data.records import Query
from smar.errors import ConfigError, DataError, MismatchError
from smar.evaluation.evaluate import BATCH, evaluate, evaluate_run, retrieve
from smar.evaluation.run import Run

QUERIES = [
    Query("q1", "red shoe", "fashion"),
    Query("q2", "lamp", "home"),
    Query("q3", "nothing like it", "home"),
]
QRELS = {"q1": {"a": 1, "b": 1}, "q2": {"c": 2, "a": 0}, "q3": {"a": 0}, "q9": {"a": 1}}


class Answers:
    """A retriever that knows its answers by heart, and what it was asked."""

    name = "answers"

    def __init__(self, by_text: dict[str, list[str]]) -> None:
        self.by_text = by_text
        self.asked: list[tuple[list[str], int]] = []

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        self.asked.append((list(queries), k))
        return [
            [(item, -float(rank)) for rank, item in enumerate(self.by_text.get(text, [])[:k])]
            for text in queries
        ]


class Faulty(Answers):
    """A retriever that returns what it was given, whatever it is asked."""

    def __init__(self, rankings: list[list[tuple[str, float]]]) -> None:
        super().__init__({})
        self.rankings = rankings

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        return self.rankings


def test_means_are_over_the_judged_queries_and_the_others_are_counted() -> None:
    report = evaluate(Answers({"red shoe": ["a", "x"], "lamp": ["c"]}), QUERIES, QRELS, ["R@10", "P@2"])
    assert report.name == "answers"
    assert report["R@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert report["P@2"] == pytest.approx(1 / 2)
    assert report.unjudged == 1
    assert report.counts.judged == 2
    assert report.counts.unknown == 1
    assert report.counts.depth == 2


def test_a_judged_query_without_any_item_counts_as_zero() -> None:
    report = evaluate(Answers({"lamp": ["c"]}), QUERIES, QRELS, ["R@10"])
    assert report["R@10"] == pytest.approx(1 / 2)
    assert report.counts.empty == 1


def test_only_judged_queries_are_asked() -> None:
    retriever = Answers({})
    evaluate(retriever, QUERIES, QRELS, ["R@10"])
    assert retriever.asked == [(["red shoe", "lamp"], 10)]


def test_rankings_go_as_deep_as_the_deepest_measure() -> None:
    for measures, k, depth in (
        (["R@50", "nDCG@10"], None, 50),
        (["MRR"], None, 1000),
        (["MRR", "R@5"], 20, 20),
    ):
        retriever = Answers({})
        evaluate(retriever, QUERIES, QRELS, measures, k=k)
        assert retriever.asked[0][1] == depth


def test_a_k_below_a_cutoff_is_refused() -> None:
    with pytest.raises(ConfigError, match="k = 10: a measure looks down to rank 50"):
        evaluate(Answers({}), QUERIES, QRELS, ["R@50"], k=10)
    with pytest.raises(ConfigError, match="k = 0"):
        evaluate(Answers({}), QUERIES, QRELS, ["MRR"], k=0)


def test_queries_are_asked_in_batches() -> None:
    queries = [Query(f"q{number}", f"text {number}") for number in range(BATCH + 1)]
    retriever = Answers({f"text {number}": [f"item {number}"] for number in range(BATCH + 1)})
    report = evaluate(retriever, queries, {f"q{n}": {f"item {n}": 1} for n in range(BATCH + 1)}, ["R@1"])
    assert [len(texts) for texts, _ in retriever.asked] == [BATCH, 1]
    assert report["R@1"] == 1.0


def test_a_run_judged_later_gives_the_same_report() -> None:
    retriever = Answers({"red shoe": ["a", "x"], "lamp": ["c"]})
    at_once = evaluate(retriever, QUERIES, QRELS, ["R@10", "nDCG@10"])
    later = evaluate_run(retrieve(retriever, QUERIES, 10), QUERIES, QRELS, ["R@10", "nDCG@10"])
    assert at_once.to_json() == later.to_json()


def test_queries_of_a_run_that_nobody_asked_are_counted() -> None:
    run = Run.build("r", {"q1": [("a", 1.0)], "q7": [("a", 1.0)]})
    assert evaluate_run(run, QUERIES, QRELS, ["R@10"]).counts.unasked == 1


def test_a_run_for_other_queries_is_refused() -> None:
    with pytest.raises(MismatchError, match="answers none of 2 judged queries"):
        evaluate_run(Run.build("r", {"x": [("a", 1.0)]}), QUERIES, QRELS, ["R@10"])


def test_judgements_for_other_queries_are_refused() -> None:
    with pytest.raises(DataError, match="none of 3 queries has a relevant item among 1 judged query ids"):
        evaluate(Answers({}), QUERIES, {"q9": {"a": 1}}, ["R@10"])


def test_two_queries_of_one_id_are_refused() -> None:
    with pytest.raises(DataError, match="query id q1: 2 queries have it"):
        evaluate(Answers({}), [Query("q1", "a"), Query("q1", "b")], QRELS, ["R@10"])


@pytest.mark.parametrize(
    ("rankings", "fault"),
    [
        ([[]], "returned 1 rankings for 2 queries"),
        ([[], [(str(n), 1.0) for n in range(11)]], "query q2: 11 items for k = 10"),
        ([[("a", 1.0), ("b", 2.0)], []], "query q1, rank 2: score 2.0 follows 1.0"),
        ([[("a", 1.0), ("a", 1.0)], []], "query q1: item a is ranked 2 times"),
    ],
)
def test_a_retriever_that_breaks_its_promises_is_named(
    rankings: list[list[tuple[str, float]]], fault: str
) -> None:
    with pytest.raises(MismatchError, match=f"answers.*{fault}"):
        evaluate(Faulty(rankings), QUERIES, QRELS, ["R@10"])
