"""Comparing two reports."""

from __future__ import annotations

import json

import numpy as np
import pytest

from smar.data.records import Query
from smar.errors import ConfigError, MismatchError
from smar.evaluation.compare import compare
from smar.evaluation.report import Counts, Report
from smar.evaluation.resampling import PERMUTATIONS, randomisation_p

COUNTS = Counts(judged=0, unjudged=0, empty=0, unasked=0, unknown=0, depth=0)


def report(name: str, values: list[float], departments: str = "") -> Report:
    queries = [
        Query(f"q{number:03}", "text", departments[number] if departments else None)
        for number in range(len(values))
    ]
    by_query = {query.query_id: value for query, value in zip(queries, values, strict=True)}
    return Report.build(name, queries, {"R@50": by_query, "RR": by_query}, COUNTS)


def test_a_positive_difference_says_that_the_second_is_better() -> None:
    found = compare(report("a", [0.0, 0.5, 0.5]), report("b", [1.0, 0.5, 0.6]), "R@50").overall
    assert found.difference == pytest.approx(1.1 / 3)
    assert found.mean_b - found.mean_a == pytest.approx(found.difference)
    assert found.interval[0] <= found.difference <= found.interval[1]


def test_a_report_compared_with_itself_differs_by_nothing() -> None:
    found = compare(report("a", [0.1, 0.7, 1.0]), report("b", [0.1, 0.7, 1.0]), "R@50").overall
    assert (found.difference, found.interval, found.p, found.p_t_test) == (0.0, (0.0, 0.0), 1.0, None)


def test_few_queries_are_tested_exactly() -> None:
    # Of the 2^3 ways to sign 1, 2 and 3, only +++ and --- lie as far from zero as the one seen.
    assert randomisation_p(np.array([1.0, 2.0, 3.0])) == 2 / 8
    # As far as |1 - 2 + 3| = 2 are: the six sums 6, 4, 2, -2, -4, -6; the two zeros are not.
    assert randomisation_p(np.array([1.0, -2.0, 3.0])) == 6 / 8


def test_a_query_on_which_both_agree_does_not_change_the_exact_p() -> None:
    assert randomisation_p(np.array([1.0, 2.0, 3.0] + [0.0] * 50)) == 2 / 8


def test_roundings_do_not_hide_a_toss_that_equals_the_one_seen() -> None:
    assert randomisation_p(np.array([0.1, 0.2, 0.3, 0.7, 0.6, 0.9])) == 2 / 64


def test_many_queries_are_tested_by_seeded_tosses() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1.0, 400)
    assert randomisation_p(differences) == randomisation_p(differences)
    assert randomisation_p(differences, seed=1) == pytest.approx(
        randomisation_p(differences, seed=2), abs=0.03
    )
    assert randomisation_p(np.ones(100)) == 1 / (PERMUTATIONS + 1)


def test_departments_are_compared_apart() -> None:
    found = compare(report("a", [0.0, 0.0, 1.0], "ffh"), report("b", [1.0, 1.0, 0.0], "ffh"), "R@50")
    assert {name: part.difference for name, part in found.by_department.items()} == {"f": 1.0, "h": -1.0}
    assert found.by_department["h"].queries == 1
    assert found.by_department["h"].p == 1.0
    assert found.by_department["h"].p_t_test is None


def test_another_name_of_the_measure_means_the_same() -> None:
    a, b = report("a", [0.0, 0.5]), report("b", [1.0, 0.6])
    assert compare(a, b, "MRR") == compare(a, b, "RR")


def test_different_queries_are_refused() -> None:
    with pytest.raises(MismatchError, match="0 only in the first, 1 only in the second, such as q002"):
        compare(report("a", [0.0, 1.0]), report("b", [0.0, 1.0, 1.0]), "R@50")


def test_queries_labelled_differently_are_refused() -> None:
    with pytest.raises(MismatchError, match="label the same queries differently"):
        compare(report("a", [0.0, 1.0], "ff"), report("b", [0.0, 1.0], "fh"), "R@50")


def test_a_measure_that_a_report_lacks_or_nobody_knows_is_refused() -> None:
    with pytest.raises(MismatchError, match="a: has no P@50, only R@50, RR"):
        compare(report("a", [0.0]), report("b", [0.0]), "P@50")
    with pytest.raises(ConfigError, match="there is no such measure"):
        compare(report("a", [0.0]), report("b", [0.0]), "best")


def test_a_comparison_prints_and_becomes_json() -> None:
    found = compare(report("old", [0.0] * 30, "f" * 30), report("new", [1.0] * 29 + [0.5], "f" * 30), "R@50")
    text = str(found)
    for words in ("R@50: new against old", "overall", "+0.983", "< 0.001"):
        assert words in text
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["overall"]["difference"] == pytest.approx(29.5 / 30)
    assert list(plain["by"]["department"]) == ["f"]
