"""Hard negatives: what is mined, what is drawn of it, and when a stage learns from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_fakes import small_model, write_shop
from smar.data.shop import Shop
from smar.errors import ModelError
from smar.model.smar import SMAR
from smar.training.loop import LoopConfig, fit, has_ended
from smar.training.negatives import NONE, NegativesConfig, draw, mine
from smar.training.pretrain import Pretraining, PretrainingConfig, StartConfig, start
from smar.training.stage import Material


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("negatives") / "shop", copies=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def material(model: SMAR, shop: Shop, own_words: int = 0) -> Material:
    seen, unseen = shop.clicks().split_items(0.3)
    items = model.read_items(shop.catalog)
    return Material.read(model, seen, shop.catalog, items, own_words=own_words, unseen=unseen)


def losses(
    shop: Shop, cache: Path, home: Path, *, is_trained: bool = False, **negatives: float
) -> list[float]:
    """Those of two epochs' steps, of a new model."""
    config = LoopConfig(
        epochs=2, batch_size=16, precision="float32", negatives=NegativesConfig.model_validate(negatives)
    )
    model = small_model(cache=cache, text_dropout=0.0, image_dropout=0.0)
    fit(
        model,
        Pretraining(PretrainingConfig()),
        material(model, shop),
        config,
        home=home,
        validate=lambda _: 0.0,
        is_trained=is_trained,
    )
    lines = [json.loads(line) for line in (home / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("below", [1.0, 0.8])
def test_negatives_are_the_best_clicked_items_below_the_one_that_was_clicked_for_the_query(
    shop: Shop, cache: Path, below: float
) -> None:
    model = small_model(cache=cache)
    given = material(model, shop, own_words=4)
    config = NegativesConfig(count=4, best=12, below=below, each=5)
    found = mine(model, given, config)
    pairs = given.pairs
    assert found.shape == (pairs.asked, 5)
    assert pairs.asked < len(pairs.texts)  # Own words are asked by nobody.
    vectors = model.embed_items(shop.catalog).multimodal
    scores = model.embed_queries(pairs.texts[: pairs.asked]).vectors @ vectors.T
    ranked = set(pairs.items[: len(pairs)].tolist())
    assert len(ranked) < len(shop.catalog)
    for query, row in enumerate(found):
        own = set(pairs.items[: len(pairs)][pairs.queries[: len(pairs)] == query].tolist())
        known = set(pairs.items[pairs.queries == query].tolist())
        best = max(scores[query, item] for item in own)
        limit = best - (1 - below) * abs(best)
        top = sorted(ranked, key=lambda item: -scores[query, item])[:12]
        expected = [item for item in top if scores[query, item] < limit and item not in known][:5]
        assert row.tolist() == expected + [NONE] * (5 - len(expected))
    assert (found != NONE).any()


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=8),
    st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_a_draw_takes_one_negative_each_of_different_queries(
    have: list[int], asked: list[int], count: int, seed: int
) -> None:
    negatives = np.array(
        [[10 * query + place if place < n else NONE for place in range(4)] for query, n in enumerate(have)]
    )
    drawn = draw(negatives, np.array(asked), count, np.random.default_rng(seed))
    able = {query for query in asked if query < len(have) and have[query]}
    assert len(drawn) == min(count, len(able))
    queries = [row // 10 for row in drawn.tolist()]
    assert len(set(queries)) == len(queries)
    assert set(queries) <= able
    assert all(row % 10 < have[row // 10] for row in drawn.tolist())


def test_more_items_are_negatives_of_every_pair_but_those_known(shop: Shop, cache: Path) -> None:
    pairs = material(small_model(cache=cache), shop).pairs
    batch = pairs.batch(np.arange(4))
    others = np.unique(pairs.items)
    more = pairs.with_more(batch, others)
    assert more.items[: len(batch.items)].tolist() == batch.items.tolist()
    assert sorted(more.items.tolist()) == others.tolist()
    log = set(zip(pairs.queries.tolist(), pairs.items.tolist(), strict=True))
    for pair, place in enumerate(more.query):
        for column, item in enumerate(more.items.tolist()):
            assert more.known[pair, column] == ((int(more.queries[place]), item) in log)


def test_a_model_that_knows_nothing_mines_after_its_first_epoch(
    shop: Shop, cache: Path, tmp_path: Path
) -> None:
    plain = losses(shop, cache, tmp_path / "plain")
    mined = losses(shop, cache, tmp_path / "mined", count=8, below=1.0)
    half = len(plain) // 2
    assert mined[:half] == plain[:half]
    assert mined[half] > plain[half]


def test_a_trained_model_mines_before_its_first_epoch(shop: Shop, cache: Path, tmp_path: Path) -> None:
    plain = losses(shop, cache, tmp_path / "plain", is_trained=True)
    mined = losses(shop, cache, tmp_path / "mined", is_trained=True, count=8, below=1.0)
    assert mined[0] > plain[0]


def test_the_start_mines_by_what_its_linear_maps_have_learnt(shop: Shop, cache: Path) -> None:
    learnt = set()
    for count in (0, 8):
        model = small_model(cache=cache)
        negatives = NegativesConfig(count=count, below=1.0)
        config = StartConfig(epochs=2, batch_size=16, precision="float32", negatives=negatives)
        assert start(model, material(model, shop), PretrainingConfig(start=config)).steps > 2
        learnt.add(model.fingerprint)
    assert len(learnt) == 2


def test_a_checkpoint_without_its_negatives_is_refused(shop: Shop, cache: Path, tmp_path: Path) -> None:
    losses(shop, cache, tmp_path, count=8)
    assert has_ended(tmp_path, "pretraining")
    (tmp_path / "checkpoint" / "pretraining" / "negatives.safetensors").unlink()
    assert not has_ended(tmp_path, "pretraining")
    with pytest.raises(ModelError, match="cannot be continued"):
        losses(shop, cache, tmp_path, count=8)
