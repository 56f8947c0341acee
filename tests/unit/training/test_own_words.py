"""Some words of each item's own, as a query for it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import smar
from model_fakes import small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig
from smar.training.loop import LoopConfig
from smar.training.pretrain import PretrainingConfig
from smar.training.stage import Material, clicks_to_learn, sample_words, split_for_gate


def test_words_are_the_items_own_in_their_order_and_one_to_four() -> None:
    titles = ["Rödhake  Desk lamp, LED & black", "USB", "Nötö chair", "..."]
    table = pl.DataFrame(
        {"item_id": ["a", "b", "c", "d"], "title": titles, "category": ["Lamps", None, "Chairs", None]}
    )
    catalog = Catalog.from_table(table, Path())
    lengths = set()
    for seed in range(30):
        words = sample_words(catalog, seed)
        assert words == sample_words(catalog, seed)
        own = ["rödhake", "desk", "lamp,", "led", "black", "lamps"]
        chosen = words[0].split()
        assert chosen == [word for word in own if word in chosen]
        assert (words[1], words[3]) == ("usb", "")
        lengths.add(len(chosen))
    assert lengths == {1, 2, 3, 4}
    assert sample_words(catalog, 0) != sample_words(catalog, 1)


def test_stage_one_leaves_the_gates_items_alone(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=2)
    model = small_model(cache=tmp_path / "cache")
    clicks = ClickConfig(held_out=0, gate_items=0.3)
    seen, unseen = split_for_gate(model, clicks_to_learn(shop, clicks), clicks)
    items = model.read_items(shop.catalog)
    material = Material.read(model, seen, shop.catalog, items, own_words=4, unseen=unseen)
    rows = {shop.catalog.row(item) for item in unseen.table["item_id"]}
    assert rows
    assert set(material.pairs.items.tolist()) == set(range(len(shop.catalog))) - rows
    both = Material.read(model, seen, shop.catalog, items, own_words=4)
    assert set(both.pairs.items.tolist()) == set(range(len(shop.catalog)))


def test_both_stages_learn_from_own_words(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=2)
    fingerprints = set()
    for own_words in (0, 8):
        model = small_model(cache=tmp_path / "cache")
        smar.pretrain(model, shop, PretrainingConfig(loop=LoopConfig(epochs=1, own_words=own_words)))
        fingerprints.add(model.fingerprint)
        loop = AdaptationLoopConfig(own_words=own_words)
        smar.adapt(model, shop, AdaptationConfig(loop=loop))
        fingerprints.add(model.fingerprint)
    assert len(fingerprints) == 4
