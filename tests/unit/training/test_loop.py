"""The training loop: early stopping, learning rates, accumulation, and runs that continue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model_fakes import small_model, write_shop
from smar.data.shop import Shop
from smar.errors import ModelError
from smar.model.smar import SMAR
from smar.progress import progress_bar
from smar.training.loop import Loop, LoopConfig, fit, learning_rate_factor
from smar.training.pretrain import Pretraining, PretrainingConfig
from smar.training.stage import BatchVectors, Material


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("loop") / "shop", copies=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def material(model: SMAR, shop: Shop) -> Material:
    return Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))


def quick(**settings: object) -> LoopConfig:
    return LoopConfig(**({"epochs": 2, "batch_size": 16, "precision": "float32"} | settings))  # type: ignore[arg-type]


def test_learning_rates_rise_and_then_fall_to_nothing() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0)


def test_a_trained_model_does_not_end_worse_than_it_came(shop: Shop, cache: Path) -> None:
    model = small_model(cache=cache)
    before = model.fingerprint
    figures = iter([0.5, 0.4, 0.3])
    report = fit(
        model,
        Pretraining(PretrainingConfig()),
        material(model, shop),
        quick(epochs=2),
        validate=lambda _: next(figures),
        is_trained=True,
    )
    assert [figure for _, figure in report.validations] == [0.5, 0.4, 0.3]
    assert report.validations[0][0] == 0
    assert model.fingerprint == before


def test_known_positives_count_as_negatives_where_they_are_not_masked(shop: Shop, cache: Path) -> None:
    def first_loss(home: Path, *, masks_known: bool) -> float:
        model = small_model(cache=cache)
        config = quick(epochs=1, masks_known=masks_known)
        fit(model, Pretraining(PretrainingConfig()), material(model, shop), config, home=home)
        return float(json.loads((home / "metrics.jsonl").read_text().splitlines()[0])["text"])

    assert first_loss(cache / "masked", masks_known=True) < first_loss(cache / "not", masks_known=False)


def test_training_ends_with_the_weights_of_the_best_validation(shop: Shop, cache: Path) -> None:
    model = small_model(cache=cache)
    figures = iter([0.1, 0.5, 0.2, 0.3, 0.9])
    seen: list[str] = []

    def validate(validated: SMAR) -> float:
        seen.append(validated.fingerprint)
        return next(figures)

    report = fit(
        model,
        Pretraining(PretrainingConfig()),
        material(model, shop),
        quick(epochs=5, patience=2),
        validate=validate,
    )
    assert [figure for _, figure in report.validations] == [0.1, 0.5, 0.2, 0.3]
    assert report.best == 0.5
    assert model.fingerprint == seen[1]


def test_a_finished_stage_is_not_run_again(shop: Shop, cache: Path, tmp_path: Path) -> None:
    model = small_model(cache=cache)
    stage = Pretraining(PretrainingConfig())
    fit(model, stage, material(model, shop), quick(), home=tmp_path)
    again = small_model(cache=cache)
    report = fit(again, stage, material(again, shop), quick(), home=tmp_path)
    assert again.fingerprint == model.fingerprint
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, report.steps + 1))
    assert {"text", "image", "multimodal", "loss", "pairs_per_second", "temperature"} <= lines[0].keys()
    assert list((tmp_path / "tensorboard").iterdir())


def test_dropout_is_decided_by_seed_and_step_and_leaves_other_randomness_alone(
    shop: Shop, cache: Path
) -> None:
    learnt = []
    for before, share in ((1, 0.5), (2, 0.5), (1, 0.0)):
        model = small_model(cache=cache, text_dropout=share, image_dropout=share)
        torch.manual_seed(before)
        state = torch.random.get_rng_state()
        fit(model, Pretraining(PretrainingConfig()), material(model, shop), quick())
        assert torch.equal(torch.random.get_rng_state(), state)
        learnt.append(model.query_tower.project.weight.detach().clone())
    assert torch.equal(learnt[0], learnt[1])
    assert not torch.equal(learnt[0], learnt[2])


def test_a_step_over_two_batches_takes_their_mean_gradient(shop: Shop, cache: Path) -> None:
    model = small_model(cache=cache, text_dropout=0.0, image_dropout=0.0)
    stage, matter = Pretraining(PretrainingConfig()), material(model, shop)
    batches = matter.pairs.batches(0, 16, 0)[:2]
    model.train()
    gradients: list[dict[str, torch.Tensor]] = []
    for places in batches:
        model.zero_grad()
        batch = matter.pairs.batch(places)
        stage.losses(model, batch, BatchVectors.embed(model, batch, matter))["loss"].backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    # Nothing is clipped, and a step leaves its gradients in place until the next.
    loop = Loop(model, stage, matter, quick(accumulate=2, clip=1e9), home=None)
    with progress_bar("one step", 1) as bar:
        loop._step(batches, bar)
    for name, parameter in model.named_parameters():
        if name in gradients[0]:
            mean = (gradients[0][name] + gradients[1][name]) / 2
            torch.testing.assert_close(parameter.grad, mean, atol=1e-5, rtol=1e-4)


def test_a_loss_that_is_no_number_stops_the_training(shop: Shop, cache: Path) -> None:
    model = small_model(cache=cache)
    with torch.no_grad():
        model.log_scale.fill_(float("nan"))
    with pytest.raises(ModelError, match="lower the learning rates"):
        fit(model, Pretraining(PretrainingConfig()), material(model, shop), quick())


def test_a_damaged_checkpoint_is_refused(shop: Shop, cache: Path, tmp_path: Path) -> None:
    model = small_model(cache=cache)
    stage = Pretraining(PretrainingConfig())
    fit(model, stage, material(model, shop), quick(epochs=1), home=tmp_path)
    (tmp_path / "checkpoint" / "pretraining" / "optimizer.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="cannot be continued"):
        fit(model, stage, material(model, shop), quick(epochs=1), home=tmp_path)


def test_a_checkpoint_without_the_best_weights_is_refused_instead_of_going_on_with_the_last(
    shop: Shop, cache: Path, tmp_path: Path
) -> None:
    figures = iter((2.0, 1.0))
    model = small_model(cache=cache)
    stage, given = Pretraining(PretrainingConfig()), material(model, shop)
    fit(model, stage, given, quick(epochs=2), validate=lambda _: next(figures), home=tmp_path)
    (tmp_path / "checkpoint" / "pretraining" / "best.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be continued"):
        fit(model, stage, given, quick(epochs=2), validate=lambda _: 0.0, home=tmp_path)
