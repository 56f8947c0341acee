from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from smar.market.config import MarketConfig
from smar.market.intents import KINDS, Intents, hold_out
from smar.market.judgments import Judged, judge
from smar.market.shop import drawn_table, item_ids
from smar.market.shoppers import simulate
from smar.market.stock import VALUES, draw_stock

configs = st.builds(
    MarketConfig, items=st.integers(20, 120), seed=st.integers(0, 10_000), fashion_share=st.floats(0.1, 0.9)
)


def make(config: MarketConfig) -> tuple[Intents, dict[str, list[int]], dict[str, Judged], list[str]]:
    stock = draw_stock(config)
    intents = Intents.of(stock)
    held = hold_out(intents, config)
    ids = item_ids(len(stock))
    return intents, held, judge(intents, held, ids, config), ids


@given(configs)
@settings(max_examples=12, deadline=None)
def test_an_item_is_judged_relevant_if_and_only_if_it_has_everything_asked(config: MarketConfig) -> None:
    intents, _, judged, ids = make(config)
    drawn = {row["item_id"]: row for row in drawn_table(intents.stock, ids).iter_rows(named=True)}
    for tables in judged.values():
        for query, wish in zip(tables.queries.iter_rows(named=True), tables.intents, strict=True):
            wanted = intents[wish].wanted
            right = {
                name for name, row in drawn.items() if all(row[field] == wanted[field] for field in wanted)
            }
            given_ids = tables.qrels.filter(query_id=query["query_id"])["item_id"]
            assert set(given_ids) == right
            assert len(given_ids) == query["n_relevant"] == len(right) > 0


@given(configs)
@settings(max_examples=12, deadline=None)
def test_no_judged_query_and_no_judged_wish_is_in_the_log(config: MarketConfig) -> None:
    intents, held, judged, ids = make(config)
    texts = [text for tables in judged.values() for text in tables.queries["query"]]
    assert len(texts) == len(set(texts))
    log = simulate(intents, [wish for wishes in held.values() for wish in wishes], texts, ids, config)
    assert not set(texts) & set(log["query"])
    assert not set(held["dev"]) & set(held["test"])


@given(configs)
@settings(max_examples=12, deadline=None)
def test_every_item_stands_for_its_wishes_and_every_wish_has_an_item(config: MarketConfig) -> None:
    intents, *_ = make(config)
    for wish in range(len(intents)):
        intent, members = intents[wish], intents.members(wish)
        assert len(members) == intents.counts[wish] > 0
        assert (intents.of_item[KINDS.index(intent.kind)][members] == wish).all()


@given(configs)
@settings(max_examples=12, deadline=None)
def test_a_stock_holds_what_was_ordered(config: MarketConfig) -> None:
    stock = draw_stock(config)
    assert len(stock) == config.items
    assert stock.is_fashion.sum() == round(config.items * config.fashion_share)
    assert (stock.price > 0).all()
    assert all(codes.max() < len(VALUES[name]) for name, codes in stock.values.items())
