from __future__ import annotations

import re

import polars as pl
import pytest

from smar.market.config import MarketConfig
from smar.market.palette import COLOURS, PATTERNS
from smar.market.shop import item_ids, items_table
from smar.market.stock import draw_stock
from smar.market.wording import WORDS

STOCK = draw_stock(MarketConfig(items=4000, seed=1))
ITEMS = items_table(STOCK, item_ids(len(STOCK)))


@pytest.mark.parametrize("column", ["title", "brand", "description", "category"])
def test_text_of_fashion_never_names_a_colour_or_a_pattern(column: str) -> None:
    words = {word for entry in (*COLOURS, *PATTERNS) for word in (entry.name, *entry.words)}
    words |= {
        word for field in ("sleeve", "neckline", "length") for many in WORDS[field].values() for word in many
    }
    said = re.compile(r"\b(" + "|".join(sorted(map(re.escape, words))) + r")\b", re.IGNORECASE)
    texts = ITEMS.filter(department="fashion")[column].to_list()
    assert [text for text in texts if said.search(text)] == []


def test_a_general_title_says_brand_and_both_specifications() -> None:
    for row in range(0, len(STOCK), 7):
        if not STOCK.is_fashion[row]:
            title = ITEMS["title"][row]
            assert all(STOCK.value(name, row) in title for name in ("brand", "spec", "pack"))


def test_variants_of_a_design_share_their_title_and_differ_in_their_look() -> None:
    looks: dict[int, list[tuple[str, str, str]]] = {}
    for row in range(len(STOCK)):
        if STOCK.is_fashion[row]:
            look = (ITEMS["title"][row], STOCK.value("colour", row), STOCK.value("pattern", row))
            looks.setdefault(int(STOCK.designs[row]), []).append(look)
    families = [family for family in looks.values() if len(family) > 1]
    assert all(len({title for title, _, _ in family}) == 1 for family in families)
    assert sum(len(set(family)) == len(family) for family in families) > 0.97 * len(families)


def test_about_a_tenth_of_general_goods_and_no_fashion_lacks_a_picture() -> None:
    missing = (
        ITEMS.with_columns(lacks=ITEMS["image"].is_null()).group_by("department").agg(pl.col("lacks").mean())
    )
    shares = dict(missing.iter_rows())
    assert shares["fashion"] == 0
    assert 0.07 < shares["general"] < 0.13


def test_prices_are_positive_and_some_items_are_sold_out() -> None:
    assert ITEMS["price"].min() > 0
    assert 0.9 < ITEMS["in_stock"].mean() < 1


def test_no_word_names_two_values_of_one_field() -> None:
    for values in WORDS.values():
        words = [word for many in values.values() for word in many]
        assert len(words) == len(set(words))
