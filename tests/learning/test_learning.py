"""Learning is learning: a small model must beat what it started as, and use the photo where only the photo tells."""

from __future__ import annotations

from pathlib import Path

import pytest

import smar
from model_fakes import small_config, write_shop
from smar.data.clicks import ClickConfig
from smar.data.records import Query
from smar.data.shop import Shop
from smar.evaluation.evaluate import evaluate
from smar.model.fusion import FusionKind
from smar.model.smar import SMAR
from smar.retrieval.engine import SearchEngine
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig
from smar.training.loop import LoopConfig
from smar.training.pretrain import PretrainingConfig

SEEDS = (0, 1, 2)
ALL_CLICKS = ClickConfig(held_out=0, gate_items=0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("learning") / "shop", copies=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def found(engine: SearchEngine, shop: Shop) -> float:
    """Mean nDCG@10 over the log's own queries: can what was shown be learnt at all?"""
    log = shop.clicks()
    queries = [Query(text, text) for text in log.queries]
    clicked: dict[str, dict[str, int]] = {}
    for click in log:
        clicked.setdefault(click.query, {})[click.item_id] = 1
    return float(evaluate(engine, queries, clicked, ["nDCG@10"]).overall["nDCG@10"])


def learnt(
    kind: FusionKind,
    shop: Shop,
    cache: Path,
    seed: int,
    clicks: ClickConfig = ALL_CLICKS,
) -> SMAR:
    model = SMAR.build(small_config(kind, seed=seed))
    model.cache = cache
    loop = LoopConfig(epochs=12, batch_size=32, learning_rate=3e-3, encoder_learning_rate=3e-3, seed=seed)
    smar.pretrain(model, shop, PretrainingConfig(loop=loop), clicks=clicks)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_stage_one_beats_the_untrained_model_and_the_photo_beats_the_text(
    seed: int, shop: Shop, cache: Path
) -> None:
    untrained = SMAR.build(small_config(seed=seed))
    untrained.cache = cache
    before = found(SearchEngine.build(untrained, shop.catalog), shop)
    engine = SearchEngine.build(learnt("cross_attention", shop, cache, seed), shop.catalog)
    both, words = found(engine, shop), found(engine.with_image_mode("never"), shop)
    assert both > before + 0.3
    # Titles do not tell the colour: words alone cannot tell a red shirt from a blue one.
    assert both > words + 0.1
    text_only = SearchEngine.build(learnt("text", shop, cache, seed), shop.catalog)
    assert both > found(text_only, shop) + 0.1


def test_stage_two_opens_the_gate_for_queries_that_need_the_photo(shop: Shop, cache: Path) -> None:
    clicks = ClickConfig(held_out=0, gate_items=0.3)
    model = learnt("cross_attention", shop, cache, seed=0, clicks=clicks)
    loop = AdaptationLoopConfig(epochs=1, batch_size=32, learning_rate=1e-4, encoder_learning_rate=1e-4)
    _, gate = smar.adapt(model, shop, AdaptationConfig(gate_penalties=(5,), loop=loop), clicks)
    colours = model.embed_queries(["red shirt", "dress in blue", "black mug"]).gate
    assert colours.min() > 0.5
    assert colours.mean() > 0.7
    # Of items that the towers had not met, the photo halves the rank at least once, and the gate gets nearly all.
    assert gate.routed > 1
    assert gate.routed > 0.9 * gate.best
