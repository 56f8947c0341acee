"""Filters as words: what `brand=Acme` and `price=10..40` mean."""

from __future__ import annotations

import pytest

from smar.errors import QueryError
from smar.retrieval.filters import parse_filters


@pytest.mark.parametrize(
    ("texts", "filters"),
    [
        ([], {}),
        (["brand=Acme & Sons"], {"brand": ["Acme & Sons"]}),
        (["brand=Acme", "brand=Bolt"], {"brand": ["Acme", "Bolt"]}),
        (["in_stock=true"], {"in_stock": [True]}),
        (["size=42"], {"size": [42]}),
        (['size="42"'], {"size": ["42"]}),
        (["price=10..40"], {"price": {"min": 10.0, "max": 40.0}}),
        (["price=..39.90"], {"price": {"max": 39.9}}),
        (["price=-1..", "brand=A=B"], {"price": {"min": -1.0}, "brand": ["A=B"]}),
        (["title=to be .. or not"], {"title": ["to be .. or not"]}),
        (["note=[1"], {"note": ["[1"]}),
        (["note=null"], {"note": ["null"]}),
    ],
)
def test_a_filter_is_read_as_it_is_meant(texts: list[str], filters: dict[str, object]) -> None:
    assert parse_filters(texts) == filters


@pytest.mark.parametrize(
    "texts", [["brand"], ["=Acme"], ["brand="], ["price=1..2", "price=3"], ["price=3", "price=1..2"]]
)
def test_a_filter_that_is_none_is_refused(texts: list[str]) -> None:
    with pytest.raises(QueryError, match="filter"):
        parse_filters(texts)


def test_a_range_without_ends_is_refused_by_the_filter_itself() -> None:
    assert parse_filters(["price=.."]) == {"price": {}}
