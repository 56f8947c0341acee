"""Scores of two searches summed, by hand and as laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smar.errors import QueryError
from smar.retrieval.hybrid import DEPTH, Hybrid, fuse


@dataclass(frozen=True)
class Fixed:
    """Gives items these scores for every query, which weighs 4."""

    scores: Mapping[str, float]

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        best = sorted(self.scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [best[:k] for _ in queries]

    def weight(self, query: str) -> float:
        return 4.0


def test_what_both_find_comes_first() -> None:
    fused = Hybrid(Fixed({"a": 0.9, "b": 0.8, "c": 0.5}), Fixed({"b": 2.0, "d": 1.0}))
    (found,) = fused.rank(["x"], 4)
    assert [item for item, _ in found] == ["b", "a", "d", "c"]
    # By vectors from 1 to 0, and by words twice the share of the query's four.
    assert [score for _, score in found] == pytest.approx([0.75 + 1, 1, 0.5, 0])
    assert fused.rank(["x", "y"], 1) == [[found[0]], [found[0]]]


def test_a_word_that_more_items_have_than_count_lifts_none_of_them() -> None:
    common = [(f"item-{place:03}", 1.5) for place in range(DEPTH)]
    assert fuse([("z", 0.9), ("y", 0.2)], common, 4.0)[:3] == [
        ("z", 1.0),
        ("item-000", 0.0),
        ("item-001", 0.0),
    ]
    assert fuse([("z", 0.9), ("y", 0.2)], common[1:], 4.0)[:2] == [("z", 1.0), ("item-001", 0.75)]


def test_one_search_alone_keeps_its_order() -> None:
    vectors, words = [("a", 0.9), ("b", 0.8), ("c", 0.5)], [("d", 3.0), ("a", 2.0)]
    assert fuse(vectors, [], 0.0) == [("a", 1.0), ("b", pytest.approx(0.75)), ("c", 0.0)]
    assert fuse([], words, 4.0) == [("d", 1.5), ("a", 1.0)]
    assert fuse([("b", 0.5), ("a", 0.5)], [], 0.0) == [("a", 0.0), ("b", 0.0)]
    assert fuse([("a", 0.5)], [("b", 1.0)], 4.0) == [("b", 0.5), ("a", 0.0)]


SCORES = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 40).map(float))


@given(SCORES, SCORES, st.integers(1, 9))
def test_a_shorter_answer_begins_a_longer_one_and_no_item_is_lost(
    vectors: dict[str, float], words: dict[str, float], k: int
) -> None:
    fused = Hybrid(Fixed(vectors), Fixed(words))
    (longer,) = fused.rank(["x"], k + 1)
    assert fused.rank(["x"], k) == [longer[:k]]
    assert {item for item, _ in fused.rank(["x"], 20)[0]} == vectors.keys() | words.keys()


@given(SCORES, SCORES, st.floats(0.01, 100), st.floats(-10, 10))
def test_units_of_the_vectors_scores_do_not_matter(
    vectors: dict[str, float], words: dict[str, float], unit: float, zero: float
) -> None:
    other = {item: zero + unit * score for item, score in vectors.items()}
    (plain,), (scaled,) = (Hybrid(Fixed(one), Fixed(words)).rank(["x"], 20) for one in (vectors, other))
    assert dict(scaled) == pytest.approx(dict(plain), abs=1e-6)


@pytest.mark.parametrize("k", [0, DEPTH + 1])
def test_what_cannot_be_answered_is_refused(k: int) -> None:
    with pytest.raises(QueryError, match="ask a fused search for 1 to 256 items"):
        Hybrid(Fixed({"a": 1.0}), Fixed({})).rank(["x"], k)
