from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from smar.market.config import MarketConfig
from smar.market.intents import KINDS, Intents, hold_out
from smar.market.judgments import judge
from smar.market.shop import item_ids
from smar.market.shoppers import FIRST_DAY, PAGE, simulate
from smar.market.stock import draw_stock
from smar.market.wording import slip, word_intent

CONFIG = MarketConfig(items=1500, seed=2)
STOCK = draw_stock(CONFIG)
IDS = item_ids(len(STOCK))
INTENTS = Intents.of(STOCK)
HELD = hold_out(INTENTS, CONFIG)
JUDGED = judge(INTENTS, HELD, IDS, CONFIG)
TEXTS = [text for split in JUDGED.values() for text in split.queries["query"]]
EVENTS = simulate(INTENTS, [wish for wishes in HELD.values() for wish in wishes], TEXTS, IDS, CONFIG)
CLICKS = EVENTS.filter(event="click")


def test_the_log_has_two_to_four_events_for_every_item() -> None:
    assert 2 * CONFIG.items < EVENTS.height < 4 * CONFIG.items


def test_the_log_is_in_the_order_of_time_and_covers_sixty_days() -> None:
    assert EVENTS["timestamp"].is_sorted()
    assert EVENTS["timestamp"].min() >= FIRST_DAY
    assert EVENTS["timestamp"].max() < FIRST_DAY + timedelta(days=60)
    assert EVENTS["timestamp"].dt.date().n_unique() == 60


def test_clicks_fall_with_the_position() -> None:
    count = dict(CLICKS["position"].value_counts().iter_rows())
    assert count[1] > count[2] > count[4] > count[8]
    assert set(count) <= set(range(1, PAGE + 1))


def test_without_position_bias_the_top_loses_its_lead() -> None:
    flat = CONFIG.model_copy(update={"position_bias": 0.0})
    clicks = simulate(INTENTS, [], [], IDS, flat).filter(event="click")
    count = dict(clicks["position"].value_counts().iter_rows())
    biased = dict(CLICKS["position"].value_counts().iter_rows())
    assert count[1] / count[3] < 0.5 * biased[1] / biased[3]


def test_orders_follow_a_click_of_their_session_and_carry_the_price() -> None:
    orders = EVENTS.filter(event="order")
    keys = ["session_id", "item_id", "position"]
    both = orders.join(CLICKS, on=keys, suffix="_click")
    assert both.height == orders.height > 0
    assert (both["timestamp"] > both["timestamp_click"]).all()
    price = dict(zip(IDS, STOCK.price.tolist(), strict=True))
    assert orders["price"].to_list() == [price[item] for item in orders["item_id"]]
    assert CLICKS["price"].null_count() == CLICKS.height


def test_new_arrivals_are_judged_but_never_clicked() -> None:
    arrivals = {name for name, arrived in zip(IDS, STOCK.is_arrival.tolist(), strict=True) if arrived}
    assert 0.08 < len(arrivals) / len(IDS) < 0.16
    assert not arrivals & set(EVENTS["item_id"])
    assert arrivals & set(JUDGED["dev"].qrels["item_id"])


def test_shoppers_make_about_as_many_slips_as_configured() -> None:
    chance = np.random.default_rng(0)
    intent = INTENTS[int(np.flatnonzero(INTENTS.kinds == 1)[0])]
    right = {word_intent(intent, 0.0, chance) for _ in range(400)}
    wrong = sum(word_intent(intent, 0.06, chance) not in right for _ in range(2000))
    assert 60 < wrong < 180


def test_a_slip_changes_at_most_two_places() -> None:
    chance = np.random.default_rng(0)
    for _ in range(200):
        text = slip("striped navy jumper", chance)
        assert abs(len(text) - len("striped navy jumper")) <= 1


def test_synonyms_are_used_on_both_sides_of_the_type() -> None:
    chance = np.random.default_rng(0)
    number = next(n for n, kind in enumerate(KINDS) if kind.fields == ("colour",))
    wishes = np.flatnonzero(INTENTS.kinds == number)
    wish = next(int(w) for w in wishes if INTENTS[int(w)].wanted == {"colour": "navy", "type": "jumper"})
    said = {word_intent(INTENTS[wish], 0.0, chance) for _ in range(300)}
    assert {"navy jumper", "dark blue jumper", "navy sweater", "jumper in navy"} <= said


def test_kinds_of_both_departments_are_judged() -> None:
    queries = JUDGED["dev"].queries
    assert set(queries["department"]) == {"fashion", "general"}
    assert {"type", "colour+type", "colour+pattern+type", "brand+type", "spec+type"} <= set(queries["kind"])
    assert queries.height >= 0.8 * CONFIG.judged_count


def test_most_clicks_are_on_items_that_fulfil_the_wish_and_some_wander() -> None:
    loyal = CONFIG.model_copy(update={"wandering": 0.0, "typos": 0.0})
    wild = CONFIG.model_copy(update={"wandering": 1.0, "typos": 0.0})
    shirts = {name for name, row in zip(IDS, range(len(IDS)), strict=True) if STOCK.type(row).name == "shirt"}
    pages = [simulate(INTENTS, [], [], IDS, config).filter(event="click") for config in (loyal, wild)]
    asked = pages[0].filter(pl.col("query") == "shirt")
    assert asked["item_id"].is_in(list(shirts)).mean() > 0.97
    assert pages[1]["position"].mean() > pages[0]["position"].mean() + 2
