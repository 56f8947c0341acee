"""The memory of clicks: an item lies nearer to what it, or what is like it, was clicked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from model_fakes import small_config, small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.data.images import read_image
from smar.data.shop import Shop
from smar.errors import ConfigError, ModelError
from smar.experiment.validation import HeldOut, ValidationConfig
from smar.model.arrays import ItemArrays
from smar.model.explain import explain
from smar.model.fusion import FusionKind
from smar.model.memory import ClickMemory, MemoryConfig, item_names
from smar.model.smar import SMAR
from smar.model.sources import item_texts
from smar.retrieval.engine import SearchEngine
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig, adapt
from smar.training.pairs import Pairs
from smar.training.pretrain import calibrate
from smar.training.remember import RememberingConfig, choose_memory, remember
from smar.training.stage import Material

CONFIG = RememberingConfig()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("memory") / "shop", copies=3)


def opened(shop: Shop, kind: FusionKind = "cross_attention") -> tuple[SMAR, Material]:
    model = SMAR.build(small_config(kind, memory={"neighbours": 4})).eval()
    model.cache = None
    material = Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))
    calibrate(model, material)
    return model, material


def weighed(model: SMAR, text: float, multimodal: float) -> SMAR:
    assert model.memory is not None
    model.memory.weigh(text, multimodal)
    return model


@pytest.fixture(scope="module")
def remembering(shop: Shop) -> SMAR:
    model, material = opened(shop)
    assert remember(model, material.pairs, material.items, CONFIG) == len(shop.catalog)
    return weighed(model, 0.3, 0.5)


def plane(degrees: list[float]) -> np.ndarray:
    angles = np.deg2rad(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_an_item_is_drawn_to_what_it_and_its_neighbours_were_clicked_for() -> None:
    # Two clicked items at 0 and 90 degrees, whose queries lie at 20 and 70; one neighbour is looked at.
    memory = ClickMemory(MemoryConfig(neighbours=1), 2, 2, 2)
    places = plane([0, 90])
    arrays = ItemArrays(places, places, np.array([False, False]))
    memory.keep(np.array([5, 9]), arrays, plane([20, 70]), np.array([3, 1], np.float32))
    memory.text_weight.fill_(1.0)
    items = plane([10, 0, 90])
    asked = ItemArrays(items, items, np.array([False, False, False]))
    recalled = memory.recall(asked, np.array([7, 5, 9]))
    wanted = np.stack(
        [
            plane([20])[0],  # not clicked: as its neighbour
            3 * plane([20])[0] + plane([70])[0],  # three clicks of its own, and the other item
            plane([70])[0] + plane([20])[0],
        ]
    )
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert recalled.text == pytest.approx(wanted, abs=2e-3)
    # As if nobody had clicked it: not even by way of itself, its nearest neighbour.
    new = memory.recall(asked, np.array([7, 5, 9]), is_new=np.array([True, True, False]))
    assert new.text == pytest.approx(np.stack([wanted[0], plane([70])[0], wanted[2]]), abs=2e-3)
    blended = memory.blend(asked, recalled).text
    middle = items + wanted
    assert blended == pytest.approx(middle / np.linalg.norm(middle, axis=1, keepdims=True), abs=2e-3)


def test_the_only_clicked_item_and_few_items_are_no_trouble() -> None:
    memory = ClickMemory(MemoryConfig(neighbours=32), 1, 2, 2)
    place = plane([0])
    arrays = ItemArrays(place, place, np.array([False]))
    memory.keep(np.array([5]), arrays, plane([40]), np.array([2], np.float32))
    for name in (5, 6):
        assert memory.recall(arrays, np.array([name])).text == pytest.approx(plane([40]), abs=2e-3)
    nothing = ItemArrays(place[:0], place[:0], np.zeros(0, np.bool_))
    assert memory.blend(nothing, memory.recall(nothing, np.zeros(0, np.int64))).text.shape == (0, 2)


def test_clicks_find_what_the_towers_have_not_learnt(remembering: SMAR, shop: Shop) -> None:
    engine = SearchEngine.build(remembering, shop.catalog).with_image_mode("always")
    memory, remembering.memory = remembering.memory, None
    without = SearchEngine.build(remembering, shop.catalog).with_image_mode("always")
    remembering.memory = memory
    found = {True: 0, False: 0}
    for colour in ("red", "green", "blue", "black"):
        for thing in ("shirt", "dress", "mug"):
            for searched in (engine, without):
                hits = searched.search(f"{colour} {thing}", k=3)
                right = sum(hit.item.item_id.startswith(f"{thing}-{colour}-") for hit in hits)
                found[searched is engine] += right
    assert found[True] > found[False] + 6, found


def test_vectors_keep_their_laws(remembering: SMAR, shop: Shop) -> None:
    arrays = remembering.embed_items(shop.catalog)
    for vectors in (arrays.text, arrays.multimodal):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (arrays.text[~arrays.has_image] == arrays.multimodal[~arrays.has_image]).all()
    few = shop.catalog.rows([3, 11, 40])
    places = [shop.catalog.item_ids.index(item_id) for item_id in few.item_ids]
    alone = remembering.embed_items(few).multimodal
    assert alone == pytest.approx(arrays.multimodal[places], abs=2e-3)
    remembering = weighed(remembering, 0, 0)
    plain = remembering.embed_items(shop.catalog)
    memory, remembering.memory = remembering.memory, None
    assert (plain.multimodal == remembering.embed_items(shop.catalog).multimodal).all()
    remembering.memory = memory
    weighed(remembering, 0.3, 0.5)


def test_an_item_of_another_title_is_another_item(remembering: SMAR, shop: Shop) -> None:
    table = shop.catalog.table
    renamed = Catalog.from_table(
        table.with_columns(title=pl.col("title") + "!", brand=pl.lit("other")), shop.catalog.folder
    )
    names = item_names(shop.catalog)
    assert not set(names.tolist()) & set(item_names(renamed).tolist())
    assert (
        item_names(Catalog.from_table(table.with_columns(brand=pl.lit("x")), shop.catalog.folder)) == names
    ).all()
    assert len(set(names.tolist())) == len(names)
    assert (names >= 0).all()


def test_a_model_that_remembers_is_saved_and_read_again(
    remembering: SMAR, shop: Shop, tmp_path: Path
) -> None:
    remembering.save(tmp_path / "model")
    again = SMAR.load(tmp_path / "model")
    again.cache = None
    assert again.fingerprint == remembering.fingerprint
    assert (again.embed_items(shop.catalog).text == remembering.embed_items(shop.catalog).text).all()
    header = tmp_path / "model" / "model.json"
    told = header.read_text(encoding="utf-8")
    for wrong in ('"memory": 0', '"memory": 17', '"memory": -1', '"memory": "many"'):
        header.write_text(told.replace('"memory": 44', wrong), encoding="utf-8")
        with pytest.raises(ModelError):
            SMAR.load(tmp_path / "model")
    header.write_text(told.replace('"neighbours": 4', '"neighbours": 0'), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.memory\.neighbours = 0"):
        SMAR.load(tmp_path / "model")


def test_scores_are_explained_with_clicks(remembering: SMAR, shop: Shop) -> None:
    arrays, names = remembering.embed_items(shop.catalog), item_names(shop.catalog)
    texts = item_texts(shop.catalog, remembering.config.item_fields)
    query = remembering.embed_queries(["red shirt"]).vectors[0]
    for row, name in enumerate(names.tolist()):
        path = shop.catalog.image_path(row)
        pixels = None if path is None else read_image(path, remembering.photo_size)
        found = explain(remembering, "red shirt", texts[row], pixels, name)
        # In half precision, one neighbour more or less is like enough.
        assert found.score == pytest.approx(float(arrays.multimodal[row] @ query), abs=1e-2)
        assert found.text + found.image + found.clicks == pytest.approx(found.score, abs=1e-5)
    shirt = shop.catalog.item_ids.index("shirt-red-0")
    known, new = (explain(remembering, "red shirt", texts[shirt], None, name) for name in (names[shirt], -1))
    assert known.clicks > new.clicks


@pytest.mark.parametrize("kind", ["text", "image", "sum"])
def test_every_fusion_remembers(kind: FusionKind, shop: Shop) -> None:
    model, material = opened(shop, kind)
    remember(model, material.pairs, material.items, CONFIG)
    weighed(model, 0.5, 0.5)
    arrays = model.embed_items(shop.catalog)
    assert np.linalg.norm(arrays.multimodal, axis=1) == pytest.approx(1, abs=1e-5)


def test_held_out_clicks_choose_both_weights_or_none(shop: Shop) -> None:
    model, material = opened(shop)
    remember(model, material.pairs, material.items, CONFIG)
    memory = model.memory
    assert memory is not None
    weights, figures = choose_memory(
        model,
        CONFIG,
        lambda: -abs(float(memory.text_weight) - 0.2) - abs(float(memory.multimodal_weight) - 0.4),
    )
    assert weights == (0.2, 0.4)
    assert figures["0.2, 0.4"] == pytest.approx(0, abs=1e-6)
    assert "0, 0" in figures
    assert float(memory.multimodal_weight) == pytest.approx(0.4)
    assert model.memory is memory
    assert choose_memory(model, CONFIG, lambda: 1.0)[0] == (0, 0)
    assert model.memory is None


def test_clicked_items_are_judged_as_known_and_as_new(shop: Shop) -> None:
    model, _ = opened(shop)
    learnt, kept_back = shop.clicks().split(0.4, seed=1)
    pairs = Pairs.from_clicks(learnt, shop.catalog)
    remember(model, pairs, model.read_items(shop.catalog), CONFIG)
    assert model.memory is not None
    held_out = HeldOut.read(kept_back, shop.catalog, ValidationConfig(measure="nDCG@5"))
    judge = held_out.judge_of_memory(model, model.memory, model.read_items(shop.catalog))
    weighed(model, 0, 0)
    engine = SearchEngine.build(model, shop.catalog)
    assert judge() == pytest.approx(held_out.judge(engine), abs=1e-6)
    weighed(model, 0.6, 0.6)
    known = held_out.judge(SearchEngine.build(model, shop.catalog))
    items = model.read_items(shop.catalog)
    plain = model.embed_rows(items, np.arange(len(items)))
    as_new = model.memory.blend(plain, model.memory.recall(plain, items.names, held_out.is_clicked))
    new = held_out.judge(held_out.engine(model, as_new))
    assert judge() == pytest.approx((known + new) / 2, abs=1e-6)


def test_what_its_own_clicks_tell_of_an_item_is_not_known_of_it_as_a_new_one(
    remembering: SMAR, shop: Shop
) -> None:
    items = remembering.read_items(shop.catalog)
    # Shirts of a colour are clicked for alike, so any tells of the others; no cable tells of another's length.
    rows = np.array([shop.catalog.item_ids.index(f"cable-{metres}") for metres in range(1, 9)])
    asked = remembering.embed_queries([f"{metres} m cable" for metres in range(1, 9)]).vectors
    plain, names, memory = remembering.embed_rows(items, rows), items.names[rows], remembering.memory
    assert memory is not None
    known, new = (
        asked @ memory.blend(plain, memory.recall(plain, names, np.full(8, is_new))).text.T
        for is_new in (False, True)
    )
    # How far a query prefers its own cable to the others.
    told_apart, as_new = (
        np.diag(scores) - (scores.sum(axis=1) - np.diag(scores)) / 7 for scores in (known, new)
    )
    assert (told_apart > as_new).all()


def test_of_too_many_items_some_are_drawn_and_it_is_said(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    model, material = opened(shop)
    few = CONFIG.model_copy(update={"most_items": 10})
    assert remember(model, material.pairs, material.items, few) == 10
    assert "10 of 44 clicked items" in " ".join(capsys.readouterr().err.split())


def test_own_words_and_pairs_without_weight_are_not_remembered(shop: Shop) -> None:
    model, material = opened(shop)
    pairs = material.pairs.with_own_words(["ownword"] * len(shop.catalog))
    remember(model, pairs, material.items, CONFIG)
    first = model.fingerprint
    remember(model, material.pairs, material.items, CONFIG)
    assert model.fingerprint == first
    plain = material.pairs
    none = Pairs(plain.texts, plain.queries, plain.items, np.zeros_like(plain.weights))
    assert remember(model, none, material.items, CONFIG) == 0
    assert model.memory is None


def test_towers_that_learn_on_forget(remembering: SMAR, shop: Shop, tmp_path: Path) -> None:
    remembering.save(tmp_path / "model")
    model = SMAR.load(tmp_path / "model")
    model.cache = None
    no_epochs = AdaptationConfig(loop=AdaptationLoopConfig(epochs=0))
    adapt(model, shop, no_epochs, ClickConfig(held_out=0, gate_items=0.3))
    assert model.memory is None


def test_a_model_without_the_setting_is_refused(shop: Shop) -> None:
    model = small_model()
    model.cache = None
    material = Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))
    with pytest.raises(ConfigError, match="remembers no clicks"):
        remember(model, material.pairs, material.items, CONFIG)


def test_remembering_needs_no_luck_of_the_process(shop: Shop) -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model, material = opened(shop)
        remember(model, material.pairs, material.items, CONFIG)
        found.append(model.fingerprint)
    assert found[0] == found[1]
