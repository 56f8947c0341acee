from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from retrieval_fakes import little_catalog
from smar.data.catalog import Catalog
from smar.errors import QueryError
from smar.retrieval.filters import compile_filter

CATALOG = little_catalog()


def passing(filters: dict[str, Any]) -> list[str]:
    return [CATALOG.item_ids[row] for row in np.flatnonzero(compile_filter(filters, CATALOG))]


@pytest.mark.parametrize(
    ("filters", "items"),
    [
        ({}, ["a1", "a2", "a3", "b1", "b2", "c1"]),
        ({"department": "fashion"}, ["a1", "a2", "a3"]),
        ({"department": "Fashion"}, []),
        ({"brand": ["H&M", "X"]}, ["a1", "a2", "b2"]),
        ({"brand": ["H&M", "X"], "department": "home"}, ["b2"]),
        ({"price": {"min": 10, "max": 40}}, ["a1", "b2", "c1"]),
        ({"price": {"min": 40.0}}, ["a2", "b2"]),
        ({"price": {"max": 9.99}}, ["b1"]),
        ({"price": [30, 12.0]}, ["a1", "c1"]),
        ({"in_stock": True}, ["a1", "a3", "b1", "c1"]),
        ({"in_stock": False}, ["a2"]),
        ({"in_stock": [True, False]}, ["a1", "a2", "a3", "b1", "c1"]),
        ({"sizes": "M"}, ["a1", "a2"]),
        ({"sizes": ["S", "L"]}, ["a1"]),
        ({"weight": 0.1}, ["a1"]),
        ({"weight": {"max": 0.2}}, ["a1", "a2"]),
        ({"weight": {"min": 0.3}}, ["b2", "c1"]),
        ({"pages": {"min": 299.5}}, ["c1"]),
        ({"pages": 300.0}, ["c1"]),
        ({"pages": 300.5}, []),
        ({"item_id": ["b1", "zzz"]}, ["b1"]),
    ],
)
def test_exactly_the_items_that_a_filter_describes_pass(filters: dict[str, Any], items: list[str]) -> None:
    assert passing(filters) == items


def test_an_empty_cell_passes_no_filter_on_its_field() -> None:
    assert "a3" not in passing({"price": {"min": -1e300}})
    assert "a3" not in passing({"brand": ["H&M", "X", "Anker"]})


def test_not_a_number_counts_as_an_empty_cell() -> None:
    holes = little_catalog().table.with_columns(weight=pl.Series([float("nan"), 1, 2, None, 3, 4]))
    catalog = Catalog.from_table(holes, CATALOG.folder)
    for bounds in ({"min": 0}, {"max": 9}, {"min": 0, "max": 9}):
        assert compile_filter({"weight": bounds}, catalog).tolist() == [False, True, True, False, True, True]


def test_a_filter_is_one_flag_an_item() -> None:
    flags = compile_filter({"department": "fashion"}, CATALOG)
    assert flags.dtype == np.bool_
    assert flags.shape == (6,)


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(
        QueryError, match=r"filter 'colour': there is no such field; there are item_id, title, .*pages"
    ):
        passing({"colour": "red"})


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"price": "cheap"}, "filter 'price': 'cheap' is of the wrong type; give a number"),
        ({"price": True}, "filter 'price': True is of the wrong type"),
        ({"price": float("nan")}, "filter 'price': nan is of the wrong type"),
        ({"brand": 3}, "filter 'brand': 3 is of the wrong type; give a text or a list of texts"),
        ({"brand": None}, "filter 'brand': None is of the wrong type"),
        ({"brand": ["X", 3]}, "filter 'brand': 3 is of the wrong type"),
        ({"brand": []}, "an empty list lets nothing pass"),
        ({"brand": {"min": 1}}, "filter 'brand': only numbers have a range; give a text"),
        ({"in_stock": 1}, "filter 'in_stock': 1 is of the wrong type; give true or false"),
        ({"in_stock": {"min": 0}}, "only numbers have a range"),
        ({"price": {}}, "is no range; give min, max or both"),
        ({"price": {"min": 1, "least": 2}}, "is no range; give min, max or both"),
        ({"price": {"min": "1"}}, "'1' is no bound of a range; give a finite number"),
        ({"price": {"max": float("inf")}}, "inf is no bound of a range"),
        ({"price": {"min": 5, "max": 4}}, "min 5 is above max 4"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_with_what_can(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError) as caught:
        passing(filters)
    assert message in str(caught.value)
