"""Names of measures, and their values on rankings small enough to work out by hand."""

from __future__ import annotations

import math

import pytest

from smar.errors import ConfigError
from smar.evaluation.measures import depth_of, measure_queries, parse_measure, parse_measures


def value(name: str, grades: dict[str, int], ranking: list[str]) -> float:
    return measure_queries([parse_measure(name)], {"q": grades}, {"q": ranking})[parse_measure(name).name][
        "q"
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("R@50", "R@50"),
        ("Recall@5", "R@5"),
        ("Precision@5", "P@5"),
        ("NDCG@10", "nDCG@10"),
        ("nDCG", "nDCG"),
        ("MRR", "RR"),
        ("MRR@10", "RR@10"),
        ("MAP", "AP"),
        ("MAP@100", "AP@100"),
        (" F1@50 ", "F1@50"),
    ],
)
def test_measures_are_called_what_ir_measures_calls_them(given: str, name: str) -> None:
    assert parse_measure(given).name == str(parse_measure(given)) == name


@pytest.mark.parametrize("name", ["", "recall@50", "R@", "R@x", "R@-1", "SetF", "R50", "R@5@5", "R(rel=2)@5"])
def test_an_unknown_measure_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no such measure; known are R@k, P@k"):
        parse_measure(name)


@pytest.mark.parametrize("name", ["R", "P", "F1"])
def test_a_measure_that_needs_a_cutoff_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match=f"needs a cutoff, for example {name}@50"):
        parse_measure(name)


def test_a_cutoff_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="a cutoff is 1 or more"):
        parse_measure("R@0")


def test_a_measure_named_twice_under_two_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="RR is named more than once"):
        parse_measures(["MRR", "RR"])


def test_no_measure_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="none is named"):
        parse_measures([])


def test_one_text_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="single text `R@50`"):
        parse_measures("R@50")


def test_the_deepest_cutoff_sets_the_depth_and_1000_stands_for_none() -> None:
    assert depth_of(parse_measures(["R@50", "nDCG@10"])) == 50
    assert depth_of(parse_measures(["R@50", "MRR@10", "F1@70"])) == 70
    assert depth_of(parse_measures(["R@50", "MAP"])) == 1000
    assert depth_of(parse_measures(["R@2000", "MAP"])) == 2000


def test_recall_counts_all_relevant_items_even_when_they_exceed_the_cutoff() -> None:
    assert value("R@2", {"a": 1, "b": 2, "c": 1, "d": 0}, ["a", "b", "c"]) == pytest.approx(2 / 3)


def test_precision_divides_by_the_cutoff_even_when_fewer_items_came() -> None:
    assert value("P@5", {"a": 1, "b": 1}, ["a", "x"]) == pytest.approx(1 / 5)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    precision, recall = 1 / 5, 1 / 2
    expected = 2 * precision * recall / (precision + recall)
    assert value("F1@5", {"a": 1, "b": 1}, ["a", "x"]) == pytest.approx(expected)


def test_f1_of_nothing_found_is_zero() -> None:
    assert value("F1@5", {"a": 1}, ["x", "y"]) == 0.0


def test_ndcg_takes_grades_as_gains() -> None:
    gained = 1 / math.log2(2) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert value("nDCG@10", {"a": 1, "b": 2}, ["a", "x", "b"]) == pytest.approx(gained / ideal)


def test_reciprocal_rank_looks_down_to_its_cutoff_only() -> None:
    ranking = ["x", "y", "a"]
    assert value("RR", {"a": 1}, ranking) == pytest.approx(1 / 3)
    assert value("RR@3", {"a": 1}, ranking) == pytest.approx(1 / 3)
    assert value("RR@2", {"a": 1}, ranking) == 0.0


def test_average_precision_by_hand() -> None:
    assert value("AP", {"a": 1, "b": 1}, ["a", "x", "b"]) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert value("AP@2", {"a": 1, "b": 1}, ["a", "x", "b"]) == pytest.approx(1 / 2)


def test_an_item_of_grade_zero_is_not_relevant() -> None:
    assert value("P@1", {"a": 0, "b": 1}, ["a"]) == 0.0


def test_a_query_with_no_ranking_or_an_empty_one_gets_zero_on_every_measure() -> None:
    names = ["R@5", "P@5", "F1@5", "nDCG@5", "RR", "RR@5", "AP", "AP@5"]
    qrels = {"absent": {"a": 1}, "empty": {"a": 1}, "found": {"a": 1}}
    found = measure_queries(parse_measures(names), qrels, {"empty": [], "found": ["a"]})
    assert list(found) == names
    for values in found.values():
        assert values["absent"] == values["empty"] == 0.0
        assert values["found"] > 0


def test_a_ranking_of_a_query_that_is_not_judged_changes_nothing() -> None:
    found = measure_queries(parse_measures(["R@5"]), {"q": {"a": 1}}, {"q": ["a"], "other": ["a"]})
    assert found == {"R@5": {"q": 1.0}}


def test_a_precision_needed_only_for_f1_is_not_returned() -> None:
    assert list(measure_queries(parse_measures(["F1@5"]), {"q": {"a": 1}}, {"q": ["a"]})) == ["F1@5"]
