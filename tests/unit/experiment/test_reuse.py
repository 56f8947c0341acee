"""Stages taken from another run: the same weights as learnt anew, and taken only where the settings are the same."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from model_fakes import small_config, write_shop
from smar.data.shop import Shop
from smar.experiment import finish
from smar.experiment.config import ExperimentConfig
from smar.experiment.reuse import reuse
from smar.experiment.runs import CONFIG
from smar.experiment.train import train
from smar.model.smar import SMAR
from smar.training.loop import has_begun, has_ended

STAGE_ONE, STAGE_TWO = "pretraining", "adaptation"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("reuse") / "shop", copies=3)


def recipe(end: int = 0, stage_two_epochs: int = 1) -> ExperimentConfig:
    """With `end`, query terms and a memory of clicks are learnt at the end."""
    loop = {"epochs": 2, "batch_size": 8}
    model = small_config(terms={"dim": 2 * end}, memory={"neighbours": end})  # type: ignore[arg-type]
    return ExperimentConfig.model_validate(
        {
            "model": model.model_dump(),
            "clicks": {"held_out": 0.3, "gate_items": 0.3, "seed": 1},
            "pretraining": {"start": {"epochs": 1, "batch_size": 8}, "loop": loop},
            "adaptation": {"loop": loop | {"epochs": stage_two_epochs}, "gate_penalties": [1.0]},
            "terms": {"epochs": 2, "least_queries": 1},
            "validation": {"measure": "nDCG@5"},
            "threads": 1,
        }
    )


def lines(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "pairs_per_second")} for line in found]


def taken(run: Path, other: Path) -> set[str]:
    """The stages that `run` has as `other` has them, down to when their steps were taken."""
    times = [
        {
            (line["stage"], line["step"], line["time"])
            for line in map(json.loads, path.read_text().splitlines())
        }
        for path in (run / "metrics.jsonl", other / "metrics.jsonl")
    ]
    return {stage for stage, _, _ in times[0] & times[1]}


@pytest.fixture(scope="module")
def other(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, and is not to be changed."""
    folder = tmp_path_factory.mktemp("reuse")
    train(shop, recipe(), folder / "other", folder / "cache")
    return folder / "other"


def would_take(config: ExperimentConfig, fingerprint: str, out: Path, other: Path) -> tuple[str, ...]:
    found = reuse(config, fingerprint, out, [out / "absent", other])
    if found is None:
        return ()
    assert found.source == other
    return found.stages


def _choose_the_last(
    choose: Callable[..., Any], numbers: Iterator[int], model: SMAR, weights: object, _judge: object
) -> Any:
    return choose(model, weights, lambda: float(next(numbers)))


def test_a_run_that_differs_in_its_end_alone_takes_both_stages_and_ends_the_same(
    shop: Shop,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whether so few held-out clicks gain by terms and memory is a matter of rounding. Here what is tried last counts.
    numbers = itertools.count()
    for choose in (finish.choose_weight, finish.choose_memory):
        rising = partial(_choose_the_last, choose, numbers)
        monkeypatch.setattr(finish, choose.__name__, rising)
    alone, run = tmp_path / "alone", tmp_path / "run"
    train(shop, recipe(end=4), alone, other.parent / "cache")
    train(shop, recipe(end=4), run, other.parent / "cache", others=[other])
    assert taken(run, other) == {STAGE_ONE, STAGE_TWO}
    assert "pretraining and adaptation: taken from" in capsys.readouterr().err
    weights = [load_file(path / "model" / "model.safetensors") for path in (alone, run)]
    assert any(name.startswith("terms.") for name in weights[0])
    assert any(name.startswith("memory.") for name in weights[0])
    assert weights[0].keys() == weights[1].keys()
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
    assert lines(run) == lines(alone)


def test_another_stage_two_is_learnt_from_the_same_stage_one(shop: Shop, other: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(shop, recipe(stage_two_epochs=2), run, other.parent / "cache", others=[other])
    assert taken(run, other) == {STAGE_ONE}
    assert {line["stage"] for line in lines(run)} == {STAGE_ONE, STAGE_TWO}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"memory": {"weights": [0.7]}}, (STAGE_ONE, STAGE_TWO)),
        ({"terms": {"epochs": 3}}, (STAGE_ONE, STAGE_TWO)),
        ({"validation": {"last_candidates": 7}}, (STAGE_ONE, STAGE_TWO)),
        ({"index": {"kind": "ivf"}}, (STAGE_ONE, STAGE_TWO)),
        ({"compile_queries": False}, (STAGE_ONE, STAGE_TWO)),
        ({"groups": {"All": ["fashion"]}}, (STAGE_ONE, STAGE_TWO)),
        ({"adaptation": {"gate_penalties": [2.0]}}, (STAGE_ONE,)),
        ({"model": {"gate": {"per": "category"}}}, (STAGE_ONE,)),
        ({"model": {"gate": {"threshold": 0.6}}}, ()),
        ({"model": {"seed": 1}}, ()),
        ({"model": {"lexical": {"dim": 8}}}, ()),
        ({"clicks": {"gate_items": 0.2}}, ()),
        ({"pretraining": {"alpha": 0.5}}, ()),
        ({"validation": {"candidates": 7}}, ()),
        ({"threads": 2}, ()),
    ],
    ids=str,
)
def test_a_stage_is_taken_if_nothing_that_decides_it_differs(
    other: Path, shop: Shop, tmp_path: Path, change: dict[str, Any], stages: tuple[str, ...]
) -> None:
    config = ExperimentConfig.model_validate(merged(recipe().model_dump(), change))
    assert would_take(config, shop.fingerprint, tmp_path, other) == stages
    assert has_ended(tmp_path, STAGE_ONE) == (STAGE_ONE in stages)
    assert has_begun(tmp_path, STAGE_TWO) == (STAGE_TWO in stages)


def merged(settings: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return settings | {
        name: merged(settings[name], value) if isinstance(value, dict) and name != "groups" else value
        for name, value in change.items()
    }


def test_nothing_is_taken_from_another_shop_or_by_a_run_that_has_begun(
    other: Path, shop: Shop, tmp_path: Path
) -> None:
    assert would_take(recipe(), "another", tmp_path / "run", other) == ()
    shutil.copytree(other / "checkpoint" / STAGE_ONE, tmp_path / "run" / "checkpoint" / STAGE_ONE)
    assert would_take(recipe(), shop.fingerprint, tmp_path / "run", other) == ()


def test_what_is_damaged_or_of_another_version_is_passed_over(
    other: Path, shop: Shop, tmp_path: Path
) -> None:
    run = tmp_path / "other"

    def stages() -> tuple[str, ...]:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return would_take(recipe(), shop.fingerprint, tmp_path / "out", run)

    def again() -> Path:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(other, run)
        return run / "checkpoint" / STAGE_TWO

    again()
    assert stages() == (STAGE_ONE, STAGE_TWO)
    progress = again() / "progress.json"
    progress.write_text(progress.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    assert stages() == (STAGE_ONE,)
    for name in ("progress.json", "model.safetensors", "optimizer.safetensors", "best.safetensors"):
        (again() / name).write_bytes(b"damaged")
        assert stages() == (STAGE_ONE,), name
        (again() / name).unlink()
        assert stages() == (STAGE_ONE,), name
    again()
    settings = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    for wrong in (settings | {"config": settings["config"] | {"unknown": 1}}, {}, []):
        (run / CONFIG).write_text(json.dumps(wrong), encoding="utf-8")
        assert stages() == ()
    (run / CONFIG).write_bytes(b"\xff")
    assert stages() == ()
