"""Selections: which rows pass filters, and that those of the same filters are found once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from smar.data.catalog import Catalog
from smar.errors import QueryError
from smar.retrieval.selection import Selections


@pytest.fixture
def catalog() -> Catalog:
    table = {"item_id": ["a", "b", "c"], "title": ["x", "y", "z"], "brand": ["Acme", "Bolt", None]}
    return Catalog.from_table(pl.DataFrame(table | {"price": [1.0, 2.0, 3.0]}), Path("shop"))


def test_the_same_filters_are_looked_up_once_and_as_they_were_asked(catalog: Catalog) -> None:
    selections = Selections(catalog)
    filters: dict[str, list[str]] = {"brand": ["Acme"]}
    first = selections.of(filters)
    assert selections.of({"brand": ["Acme"]}) is first
    filters["brand"].append("Bolt")
    assert selections.of(filters).flags.tolist() == [True, True, False]
    assert first.flags.tolist() == selections.of({"brand": ["Acme"]}).flags.tolist() == [True, False, False]
    assert first.passing == ({"brand": ["Acme"]},)
    assert selections.of() is selections.of({})
    assert selections.of().is_everything


def test_filters_that_are_not_understood_are_refused_each_time(catalog: Catalog) -> None:
    selections = Selections(catalog)
    for _ in range(2):
        with pytest.raises(QueryError, match="there is no such field"):
            selections.of({"colour": "red"})
        with pytest.raises(QueryError, match="is no bound of a range"):
            selections.of({"price": {"max": np.float32(2)}})  # type: ignore[dict-item]
