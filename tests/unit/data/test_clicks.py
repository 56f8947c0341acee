from __future__ import annotations

import math
from datetime import datetime

import polars as pl
import pytest

from smar.data.clicks import (
    CLICK_SCHEMA,
    ClickConfig,
    ClickLog,
    normalise_queries,
    normalise_query,
    pair_weight,
)
from smar.data.records import Click
from smar.data.splits import is_held_out
from smar.errors import ConfigError


def make_log(queries: int) -> ClickLog:
    rows = [(f"query {number}", f"item-{side}", 1, 0, 1.0) for number in range(queries) for side in "ab"]
    table = pl.DataFrame(rows, schema=CLICK_SCHEMA, orient="row").sort("query", "item_id")
    return ClickLog(table, events=len(rows))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Red   SHOES ", "red shoes"),
        ("ＲＥＤ\u00a0shoes", "red shoes"),
        ("Größe", "grösse"),
        ("ﬁne\tjumper\n", "fine jumper"),
        ("cafe\u0301", "café"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        (" \u3000 ", ""),
    ],
)
def test_two_spellings_of_a_query_are_one(text: str, normal: str) -> None:
    assert normalise_query(text) == normal


def test_a_column_of_queries_keeps_its_gaps() -> None:
    column = pl.Series("query", ["A  b", None, "Größe", "größe", "\x1fx\x0b"])
    assert normalise_queries(column).to_list() == ["a b", None, "grösse", "grösse", "x"]


def test_a_weight_grows_with_clicks_and_faster_with_orders_up_to_a_limit() -> None:
    table = pl.DataFrame(
        {"clicks": [1, 2, 1, 10**6], "orders": [0, 0, 1, 0]}, schema_overrides={"clicks": pl.UInt32}
    )
    weights = table.select(pair_weight(ClickConfig(order_weight=3, max_weight=10))).to_series().to_list()
    assert weights == pytest.approx([math.log(2), math.log(3), math.log(5), 10.0])
    plain = table.select(pair_weight(ClickConfig(order_weight=3, damping="none", max_weight=100)))
    assert plain.to_series().to_list() == [1.0, 2.0, 4.0, 100.0]


def test_a_log_is_a_sequence_of_clicks() -> None:
    log = make_log(1)
    assert list(log) == [Click("query 0", "item-a", 1, 0, 1.0), Click("query 0", "item-b", 1, 0, 1.0)]
    assert log[1].item_id == "item-b"
    assert len(log) == 2
    assert log.queries == ["query 0"]


def test_a_split_holds_out_whole_queries_at_about_the_share_asked_for() -> None:
    train, held_out = make_log(2000).split(0.2, seed=3)
    assert not set(train.queries) & set(held_out.queries)
    assert len(train) + len(held_out) == 4000
    assert len(train) + len(held_out) == train.events + held_out.events
    assert 0.17 < len(held_out.queries) / 2000 < 0.23
    assert train.table["query"].is_sorted()


def test_a_split_of_items_keeps_all_clicks_of_an_item_together() -> None:
    log = make_log(300)
    rest, kept_back = log.split_items(0.5, seed=2)
    assert set(kept_back.table["item_id"]) == {
        item for item in log.table["item_id"] if is_held_out(item, 0.5, 2)
    }
    assert not set(rest.table["item_id"]) & set(kept_back.table["item_id"])
    assert len(rest) + len(kept_back) == len(log)
    assert log.split_items(0.0)[1].table.is_empty()


def test_no_share_holds_out_nothing() -> None:
    train, held_out = make_log(50).split(0.0)
    assert (len(train), len(held_out)) == (100, 0)


def test_another_seed_holds_out_other_queries() -> None:
    log = make_log(200)
    assert log.split(0.3, seed=1)[1].queries != log.split(0.3, seed=2)[1].queries


def test_the_split_is_the_same_on_every_machine() -> None:
    held_out = [
        text for text in ("red shoes", "jug", "blue vase", "lamp", "oak table") if is_held_out(text, 0.5, 0)
    ]
    assert held_out == ["lamp"]


def test_the_fingerprint_follows_the_pairs() -> None:
    assert make_log(3).fingerprint == make_log(3).fingerprint
    assert make_log(3).fingerprint != make_log(4).fingerprint


def test_a_date_range_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not before until"):
        ClickConfig.check({"since": datetime(2026, 2, 1), "until": datetime(2026, 1, 1)}, "test")
    with pytest.raises(ConfigError, match="min_clicks = 0"):
        ClickConfig.check({"min_clicks": 0}, "test")
