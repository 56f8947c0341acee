"""The start of stage one: a new model is linear in pooled states, and its linear maps learn first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model_fakes import small_config, write_shop
from smar.data.shop import Shop
from smar.model.attention import AttentionLayer
from smar.model.fusion import CrossAttention, FusionKind
from smar.model.pooled import PooledTexts, pooled_items
from smar.model.smar import SMAR
from smar.training.loop import LoopConfig, fit, has_begun, parameter_groups
from smar.training.pretrain import Pretraining, PretrainingConfig, StartConfig, calibrate, start
from smar.training.stage import Material

KINDS: tuple[FusionKind, ...] = ("cross_attention", "gated", "concat", "sum", "image", "text")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("start") / "shop", copies=2)


def opened(shop: Shop, kind: FusionKind = "cross_attention") -> tuple[SMAR, Material]:
    model = SMAR.build(small_config(kind))
    model.cache = None
    material = Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))
    calibrate(model, material)
    return model, material


def weights(model: SMAR) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_new_layer_changes_nothing() -> None:
    layer, states = AttentionLayer(12, 3), torch.randn(2, 5, 12)
    assert torch.equal(layer(states), states)
    assert torch.equal(layer(states, torch.randn(2, 4, 12)), states)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_model_needs_only_the_pooled_states(kind: FusionKind, shop: Shop) -> None:
    model, material = opened(shop, kind)
    model.eval()
    rows = np.arange(len(shop.catalog))
    pooling = model.config.pooling
    with torch.no_grad():
        whole = model.items(material.items.states(rows))
        queries = model.queries(material.queries.states(np.arange(6)))
        with model.without_attention():
            pooled = model.items(pooled_items(material.items, pooling).states(rows))
            same = model.queries(PooledTexts(material.queries, pooling).states(np.arange(6)))
    assert torch.allclose(queries, same, atol=3e-3)
    for one, other in zip(vars(whole).values(), vars(pooled).values(), strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one.float(), other.float(), atol=3e-3)


def test_linear_maps_learn_and_nothing_else_does(shop: Shop) -> None:
    model, material = opened(shop)
    before, fusion = weights(model), model.multimodal_tower
    assert fusion is not None
    found = start(model, material, PretrainingConfig(start=StartConfig(epochs=3, batch_size=16)))
    assert (found.stage, found.best) == ("start", None)
    assert found.steps == 3 * -(-len(material.pairs) // 16)
    assert isinstance(fusion.fusion, CrossAttention)
    assert model.image_tower is not None
    assert len(model.image_tower.layers) == model.config.image_layers
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    linear = {id(weight) for linear_map in model.linear_maps for weight in linear_map.parameters()}
    taught = {name for name, weight in model.named_parameters() if id(weight) in linear}
    beside = {"log_scale", "lexical.ratio.weight", "lexical.ratio.bias"}
    assert changed - beside <= taught, changed - taught
    assert {"query_tower.project.weight", "image_tower.summary.weight"} <= changed


def test_what_the_start_has_taught_may_learn_more_slowly_afterwards(shop: Shop) -> None:
    model, _ = opened(shop)
    rates = LoopConfig(learning_rate=3e-4, linear_learning_rate=2e-5, encoder_learning_rate=1e-5)
    found = {
        id(weight): group["lr"] for group in parameter_groups(model, rates) for weight in group["params"]
    }
    named = {name: found[id(weight)] for name, weight in model.named_parameters() if id(weight) in found}
    assert named["query_tower.project.weight"] == named["multimodal_tower.fusion.sum.text.weight"] == 2e-5
    assert named["image_tower.patch.weight"] == named["multimodal_tower.fusion.project.weight"] == 3e-4


def test_it_can_be_left_out(shop: Shop) -> None:
    model, material = opened(shop)
    before = weights(model)
    assert start(model, material, PretrainingConfig(start=StartConfig(epochs=0))).steps == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_stage_has_begun_once_it_left_a_checkpoint(shop: Shop, tmp_path: Path) -> None:
    model, material = opened(shop)
    stage = Pretraining(PretrainingConfig())
    assert not has_begun(tmp_path, stage.name)
    fit(model, stage, material, LoopConfig(epochs=1, batch_size=16), home=tmp_path)
    assert has_begun(tmp_path, stage.name)
    assert not has_begun(tmp_path, "adaptation")
