"""Slices of the judged work: new arrivals beside clicked items, rare words beside common ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from smar.data.clicks import ClickConfig
from smar.experiment.reproduce.slices import RARE_BELOW, group_slices, recalls


class Log:
    def __init__(self, queries: list[str], items: list[str]) -> None:
        self.queries = queries
        self.table = pl.DataFrame({"item_id": items})


class FewQueries:
    """A shop whose log has "red shoe" often and "mauve" once, and clicks on a and b."""

    def clicks(self, config: ClickConfig) -> Log:
        return Log([f"red shoe {number}" for number in range(RARE_BELOW)] + ["mauve"], ["a", "b", "a"])

    def queries(self, split: str) -> list[object]:
        texts = {"q1": "Red  SHOE", "q2": "mauve shoe", "q3": "shoe"}
        return [type("Query", (), {"query_id": key, "text": text})() for key, text in texts.items()]


QRELS = {"q1": {"a": 1, "c": 1, "d": 1, "e": 0}, "q2": {"b": 1}, "q3": {"c": 2}}


def test_slices_and_recalls_by_hand() -> None:
    places = {"Overall": np.arange(3), "Shoes": np.array([1])}
    slices = group_slices(FewQueries(), "dev", ClickConfig(), QRELS, places)  # type: ignore[arg-type]
    named = {part.name: part.wanted for part in slices["Overall"]}
    assert named == {
        "clicked items": {"q1": {"a"}},
        "new arrivals": {"q1": {"c", "d"}},
        "rare words": {"q2": {"b"}},
        "common words": {"q1": {"a", "c", "d"}, "q3": {"c"}},
    }
    assert [part.name for part in slices["Shoes"]] == ["rare words"]
    table = pl.DataFrame({"query_id": ["q1", "q2", "q3"], "found": [["c"], ["b"], ["a"]]})
    deep = pl.DataFrame({"query_id": ["q1", "q2", "q3"], "found": [["x"] * 50 + ["a"], ["b"], ["c"]]})
    overall = recalls(slices, [table, deep])["Overall"]
    assert overall["clicked items"] == 0
    assert overall["new arrivals"] == pytest.approx((0.5 + 0) / 2)
    assert overall["rare words"] == 1
    assert overall["common words"] == pytest.approx(((1 / 3 + 0) / 2 + (0 + 1) / 2) / 2)


def test_an_oracle_has_no_ranking_to_look_at() -> None:
    table = pl.DataFrame({"query_id": ["q1"], "found": pl.Series([None], dtype=pl.List(pl.String))})
    assert recalls({}, [table]) == {}
