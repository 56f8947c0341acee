"""The gate per category: which categories it closes, and that their photos are then not used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from model_fakes import small_config, small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.model.gate import GateConfig
from smar.model.smar import SMAR
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig, learn_both
from smar.training.gate import GateLesson, close_categories
from smar.training.stage import Material


def lesson(gains: dict[str | None, list[float]]) -> GateLesson:
    """Clicks on items of these categories, each on an item of its own."""
    rows = [(category, gain) for category, of_one in gains.items() for gain in of_one]
    places = np.arange(len(rows))
    return GateLesson(
        ["x"], np.zeros_like(places), places, torch.tensor([gain for _, gain in rows]), [c for c, _ in rows]
    )


@pytest.fixture
def model() -> SMAR:
    return SMAR.build(small_config(gate=GateConfig(per="category"))).eval()


def test_categories_that_lose_on_average_are_closed(model: SMAR) -> None:
    found = close_categories(model, lesson({"shirt": [1.0] * 30, "cable": [-1.0] * 30, None: [-5.0] * 10}))
    assert model.config.gate.closed == ("cable",)
    assert (found.clicks, found.always) == (70, pytest.approx(-50 / 70))
    # Folds that never saw the item agree: cables are closed, and what has no category cannot be.
    assert found.routed == pytest.approx((30 - 50) / 70)
    assert found.share_with_image == pytest.approx(40 / 70)
    assert model.embed_queries(["shirt", "cable"]).gate.tolist() == [1.0, 1.0]


def test_what_was_closed_before_stays_closed(model: SMAR) -> None:
    model.close(["gift card"])
    close_categories(model, lesson({"shirt": [1.0] * 30, "cable": [-1.0] * 30}))
    assert model.config.gate.closed == ("cable", "gift card")


def test_little_evidence_closes_nothing(model: SMAR) -> None:
    close_categories(model, lesson({"shirt": [1.0] * 50, "cable": [-1.0]}))
    assert model.config.gate.closed == ()


def test_without_clicks_all_stay_open(model: SMAR) -> None:
    assert close_categories(model, lesson({})).share_with_image == 1
    assert model.config.gate.closed == ()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = write_shop(tmp_path_factory.mktemp("category") / "shop", copies=2)
    things = pl.col("item_id").str.extract(r"^(\w+)-")
    return Shop(
        shop.folder, Catalog.from_table(shop.catalog.table.with_columns(category=things), shop.folder)
    )


def test_photos_of_closed_categories_are_not_used_here_or_after_loading(shop: Shop, tmp_path: Path) -> None:
    model = small_model(cache=tmp_path / "cache")
    before = model.embed_items(shop.catalog)
    model.close(["mug"])
    mugs = np.array([item_id.startswith("mug") for item_id in shop.catalog.item_ids])
    after = model.embed_items(shop.catalog)
    assert (after.multimodal[mugs] == after.text[mugs]).all()
    assert np.allclose(after.multimodal[~mugs], before.multimodal[~mugs], atol=1e-6)
    assert (before.multimodal[mugs] != before.text[mugs]).any()
    model.save(tmp_path / "model")
    again = SMAR.load(tmp_path / "model")
    again.cache = model.cache
    assert again.config.gate.closed == ("mug",)
    assert (again.embed_items(shop.catalog).multimodal == after.multimodal).all()
    assert again.fingerprint != small_model().fingerprint


def test_stage_two_learns_with_closed_categories_as_text(shop: Shop, tmp_path: Path, model: SMAR) -> None:
    model.cache = tmp_path
    log = shop.clicks(ClickConfig(held_out=0))
    items = model.read_items(shop.catalog)
    rows = np.array([shop.catalog.row(click.item_id) for click in log])
    names = [shop.catalog.table["category"][int(row)] for row in rows]
    gain = torch.tensor([-1.0 if name == "mug" else 1.0 for name in names])
    told = GateLesson(log.queries, np.zeros(len(log), np.int64), rows, gain, names)
    material = Material.read(model, log, shop.catalog, items)
    config = AdaptationConfig(gate_penalties=(1,), loop=AdaptationLoopConfig(epochs=1, batch_size=16))
    _, worth = learn_both(model, told, material, shop.catalog, config, validate=lambda it: 1.0)
    assert model.config.gate.closed == ("mug",)
    assert worth.routed > worth.always
    mugs = np.array([item_id.startswith("mug") for item_id in shop.catalog.item_ids])
    assert not items.has_image[mugs].any()
    arrays = model.embed_items(shop.catalog)
    assert (arrays.multimodal[mugs] == arrays.text[mugs]).all()
    assert not arrays.has_image[mugs].any()
