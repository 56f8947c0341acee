"""Reciprocal rank fusion, by hand and as a law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smar.errors import QueryError
from smar.retrieval.hybrid import DEPTH, Hybrid


@dataclass(frozen=True)
class Fixed:
    """Ranks these items for every query."""

    items: Sequence[str]

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        return [[(item, 1.0 / (1 + place)) for place, item in enumerate(self.items[:k])] for _ in queries]


def test_what_both_find_comes_first() -> None:
    fused = Hybrid((Fixed(["a", "b", "c"]), Fixed(["d", "b"])))
    (found,) = fused.rank(["x"], 4)
    assert [item for item, _ in found] == ["b", "a", "d", "c"]  # a and d tie: by item id
    assert found[0][1] == pytest.approx(2 / 62)
    assert found[1][1] == pytest.approx(1 / 61)
    assert fused.rank(["x", "y"], 1) == [[found[0]], [found[0]]]


ITEMS = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(ITEMS, ITEMS, st.integers(1, 9))
def test_a_shorter_answer_begins_a_longer_one_and_order_of_rankers_is_nothing(
    one: list[str], other: list[str], k: int
) -> None:
    fused = Hybrid((Fixed(one), Fixed(other)))
    (longer,) = fused.rank(["x"], k + 1)
    assert fused.rank(["x"], k) == [longer[:k]]
    assert Hybrid((Fixed(other), Fixed(one))).rank(["x"], k + 1) == [longer]
    assert {item for item, _ in fused.rank(["x"], 20)[0]} == {*one, *other}


@pytest.mark.parametrize("k", [0, DEPTH + 1])
def test_what_cannot_be_answered_is_refused(k: int) -> None:
    with pytest.raises(QueryError, match="ask a fused search for 1 to 256 items"):
        Hybrid((Fixed("a"),)).rank(["x"], k)
