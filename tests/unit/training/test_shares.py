"""Gradients of a batch in parts are those of the batch at once."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from model_fakes import small_model, write_shop
from smar.data.shop import Shop
from smar.model.smar import SMAR
from smar.training.adapt import Adaptation
from smar.training.loop import LoopConfig, fit
from smar.training.pretrain import Pretraining, PretrainingConfig
from smar.training.processes import Processes
from smar.training.shares import Learner
from smar.training.stage import Material, Stage


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("shares") / "shop", copies=2)


def material(model: SMAR, shop: Shop) -> Material:
    return Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))


def gradients(model: SMAR, stage: Stage, shop: Shop, at_once: int | None) -> tuple[float, dict[str, Any]]:
    matter = material(model, shop)
    model.train()
    model.zero_grad()
    torch.manual_seed(0)
    learner = Learner(model, stage, matter, Processes(), at_once, nullcontext)
    losses = learner.learn(matter.pairs.batch(matter.pairs.batches(0, 24, 0)[0]), 0.5)
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return losses["loss"].item(), found


@pytest.mark.parametrize("at_once", [1, 5, 1000])
@pytest.mark.parametrize("kind", ["cross_attention", "gated", "text", "image"])
@pytest.mark.parametrize("stage", [Pretraining(PretrainingConfig()), Adaptation()], ids=["one", "two"])
def test_parts_give_the_gradients_of_the_whole(
    shop: Shop, tmp_path: Path, kind: Any, at_once: int, stage: Stage
) -> None:
    model = small_model(kind, tmp_path, text_dropout=0.0, image_dropout=0.0, query_layers=1)
    loss, whole = gradients(model, stage, shop, None)
    again, parts = gradients(model, stage, shop, at_once)
    assert again == pytest.approx(loss, rel=1e-6, abs=1e-6)
    assert whole.keys() == parts.keys()
    for name, gradient in parts.items():
        torch.testing.assert_close(gradient, whole[name], atol=1e-6, rtol=1e-4, msg=name)
    assert any(gradient.abs().max() > 1e-4 for gradient in whole.values())


def test_dropout_leaves_out_the_same_both_times(shop: Shop, tmp_path: Path) -> None:
    model = small_model(cache=tmp_path, text_dropout=0.5, image_dropout=0.5)
    stage = Pretraining(PretrainingConfig())
    matter = material(model, shop)
    batch = matter.pairs.batch(matter.pairs.batches(0, 24, 0)[0])
    learner = Learner(model.train(), stage, matter, Processes(), 6, nullcontext)
    torch.manual_seed(3)
    parts = learner._parts(batch)
    first = [learner._embed(part, batch) for part in parts]
    torch.manual_seed(9)
    for part, before in zip(parts, first, strict=True):
        for one, other in zip(before, learner._embed(part, batch), strict=True):
            assert torch.equal(one, other)
    assert len({part.seed for part in parts}) == len(parts)


def test_a_stage_in_parts_ends_where_the_whole_does(shop: Shop, tmp_path: Path) -> None:
    def trained(at_once: int | None) -> SMAR:
        model = small_model(cache=tmp_path, text_dropout=0.0, image_dropout=0.0)
        config = LoopConfig(epochs=2, batch_size=16, precision="float32", at_once=at_once)
        fit(model, Pretraining(PretrainingConfig()), material(model, shop), config)
        return model

    whole, parts = trained(None), trained(7)
    for (name, one), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3, msg=name)
