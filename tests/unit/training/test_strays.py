"""Clicks that went astray are told from those that were meant, by counts, words and photos."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_fakes import COLOURS, THINGS, small_config, write_shop
from smar.data.clicks import CLICK_SCHEMA, ClickLog, count_events
from smar.data.shop import Shop
from smar.errors import ConfigError
from smar.experiment.config import ExperimentConfig
from smar.model.fusion import FusionKind
from smar.model.smar import SMAR
from smar.training.pretrain import calibrate
from smar.training.strays import StraysConfig, find_strays, stray_chances
from smar.training.terms import TermsLoopConfig

QUICK = TermsLoopConfig(epochs=30, batch_size=16, learning_rate=1e-2, least_queries=1)
COPIES = 8
NICE = ("", "nice ", "cheap ", "new ", "my ")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("strays") / "shop", copies=COPIES)


def wandering_log() -> tuple[ClickLog, set[tuple[str, str]]]:
    """Popular wishes, whose items are clicked often, and rare ones, whose items are clicked once; and their strays,
    each on a like thing of another colour."""
    random = np.random.default_rng(0)
    rows, strays = [], set()
    for colour in COLOURS:
        others = [other for other in COLOURS if other != colour]
        for thing in THINGS:
            for wish, nice in enumerate(NICE):
                query, is_popular = f"{nice}{colour} {thing}", wish < 3
                for copy in random.permutation(COPIES)[: 5 if is_popular else 3]:
                    clicks = 4 + random.poisson(6) if is_popular else 1
                    rows.append((query, f"{thing}-{colour}-{copy}", clicks, 0, 1.0))
                for _ in range(2 if is_popular else 1):
                    item = f"{thing}-{random.choice(others)}-{random.integers(COPIES)}"
                    if (query, item) not in strays:
                        strays.add((query, item))
                        rows.append((query, item, 1, 0, 1.0))
    table = pl.DataFrame(rows, schema=CLICK_SCHEMA, orient="row").sort("query", "item_id")
    return ClickLog(table, count_events(table)), strays


def judge(shop: Shop, log: ClickLog, kind: FusionKind = "cross_attention") -> pl.DataFrame:
    model = SMAR.build(small_config(kind)).eval()
    model.cache = None
    items = model.read_items(shop.catalog)
    calibrate(model, items)
    found = find_strays(model, log, shop.catalog, items, StraysConfig(folds=3), QUICK)
    assert found["chance"].is_between(0.3, 1).all()
    return found


def pairs_of(table: pl.DataFrame) -> set[tuple[str, str]]:
    return set(table.select("query", "item_id").iter_rows())


def test_strays_are_left_out_and_little_else(shop: Shop) -> None:
    log, strays = wandering_log()
    out = pairs_of(judge(shop, log))
    popular = {pair for pair in strays if not pair[0].startswith(("new ", "my "))}
    assert len(popular & out) > 0.95 * len(popular)
    assert len(out - strays) < 0.05 * len(log)
    # Of wishes whose items were all clicked once photos tell, and what the same words led to elsewhere.
    rare = strays - popular
    assert len(rare & out) > 0.5 * len(rare)


def test_without_photos_counts_tell_what_they_can(shop: Shop) -> None:
    log, strays = wandering_log()
    out = pairs_of(judge(shop, log, "text"))
    rare = {pair for pair in strays if pair[0].startswith(("new ", "my "))}
    # Titles do not tell colours.
    assert len(out & (strays - rare)) > 0.9 * len(strays - rare)
    assert len(out & rare) <= 0.5 * len(rare)


def test_what_was_never_strayed_from_is_believed(shop: Shop) -> None:
    log, strays = wandering_log()
    planted = pl.DataFrame(sorted(strays), schema=["query", "item_id"], orient="row")
    clean = log.leave_out(planted, "planted")
    assert clean.left_out == {"planted": len(strays)}
    assert count_events(clean.table) + len(strays) == clean.events == log.events
    assert judge(shop, clean).height < 0.05 * len(clean)


def test_the_same_log_is_judged_alike(shop: Shop) -> None:
    log, _ = wandering_log()
    assert judge(shop, log).equals(judge(shop, log))


counted = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 30), st.integers(0, 2)), min_size=1, max_size=40
)


@given(counted)
def test_chances_are_chances_and_do_not_depend_on_the_order(rows: list[tuple[int, int, int]]) -> None:
    # A query's items are of one department.
    query = np.array([row[0] for row in rows])
    clicks = np.array([float(row[1]) for row in rows])
    department = query % 3
    chances = stray_chances(query, clicks, department)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (chances[clicks > 1] == 0).all()
    order = np.random.default_rng(0).permutation(len(rows))
    assert np.allclose(stray_chances(query[order], clicks[order], department[order]), chances[order])


def test_counts_say_how_many_strayed() -> None:
    random = np.random.default_rng(1)
    query, clicks, is_stray = [], [], []
    for number in range(400):
        for mean in [12.0] * 4:
            query.append(number)
            clicks.append(max(1, random.poisson(mean)))
            is_stray.append(False)
        for _ in range(random.binomial(48, 0.08)):
            query.append(number)
            clicks.append(1)
            is_stray.append(True)
    counts = np.array(clicks, dtype=np.float64)
    chances = stray_chances(np.array(query), counts, np.zeros(len(query), np.int64))
    strayed = np.array(is_stray)
    assert chances.sum() / counts.sum() == pytest.approx(strayed.sum() / counts.sum(), rel=0.05)
    assert chances[strayed].mean() > 0.95


def test_one_fold_has_nobody_to_judge_it(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text("[strays]\nfolds = 1\n")
    with pytest.raises(ConfigError, match=r"strays\.folds.*at least 2"):
        ExperimentConfig.load(path)


def test_of_a_great_catalogue_some_items_are_looked_at(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    log, strays = wandering_log()
    all_of_them = pairs_of(judge(shop, log))
    monkeypatch.setattr(sys.modules[__name__], "QUICK", QUICK.model_copy(update={"most_items": 40}))
    some = pairs_of(judge(shop, log))
    # Counts know no less; what words and photos say is missing where it was not looked at.
    assert len(some & strays) > 0.5 * len(all_of_them & strays)
    assert some != all_of_them
