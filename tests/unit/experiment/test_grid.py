"""The grid of a table: what its last line says of the judgements alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smar.data.records import Query
from smar.experiment.reproduce.grid import Grid


def test_a_perfect_ranking_has_no_more_than_fifty_places() -> None:
    queries = [Query("few", "red dress", department="fashion"), Query("many", "dress", department="fashion")]
    qrels = {
        "few": {"a": 1, "b": 2, "z": 0},
        "many": {f"item-{number}": 1 + number % 2 for number in range(80)},
    }
    shop: Any = SimpleNamespace(queries=lambda _: queries, qrels=lambda _: qrels)
    found = Grid(shop, Path("recipe.toml"), "dev", Path("runs"), Path("kept")).perfect()
    assert found["query_id"].to_list() == ["few", "many"]
    assert found["R@50"].to_list() == pytest.approx([1, 50 / 80])
    assert found["P@50"].to_list() == pytest.approx([2 / 50, 1])
    assert found["nDCG@10"].to_list() == pytest.approx([1, 1])
    assert found["found"].null_count() == 2
