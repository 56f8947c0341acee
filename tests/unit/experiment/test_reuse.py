"""Stages taken from another run: the same weights as learnt anew, and taken only where the settings are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from model_fakes import small_config, write_shop
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.experiment.runs import CONFIG
from smar.experiment.train import train
from smar.training.loop import has_ended

STAGE_ONE, STAGE_TWO = "pretraining", "adaptation"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("reuse") / "shop", copies=3)


def recipe(memory: int = 0, stage_two_epochs: int = 1, seed: int = 0) -> ExperimentConfig:
    loop = {"epochs": 2, "batch_size": 8, "seed": seed}
    model = small_config(memory={"neighbours": memory})  # type: ignore[arg-type]
    return ExperimentConfig.model_validate(
        {
            "model": model.model_dump(),
            "clicks": {"held_out": 0.3, "gate_items": 0.3, "seed": 1},
            "pretraining": {"start": {"epochs": 1, "batch_size": 8}, "loop": loop},
            "adaptation": {"loop": loop | {"epochs": stage_two_epochs}, "gate_penalties": [1.0]},
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


def test_a_run_that_differs_in_its_end_alone_takes_both_stages_and_ends_the_same(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, alone, run = tmp_path / "other", tmp_path / "alone", tmp_path / "run"
    train(shop, recipe(), other, tmp_path / "cache")
    train(shop, recipe(memory=4), alone, tmp_path / "cache")
    train(shop, recipe(memory=4), run, tmp_path / "cache", others=[tmp_path / "absent", run, other])
    assert taken(run, other) == {STAGE_ONE, STAGE_TWO}
    assert capsys.readouterr().err.count("ended it by the same settings") == 2
    weights = [load_file(path / "model" / "model.safetensors") for path in (alone, run)]
    assert weights[0].keys() == weights[1].keys()
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
    assert lines(run) == lines(alone)


def test_a_stage_by_other_settings_or_of_another_shop_is_learnt(shop: Shop, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(shop, recipe(), other, tmp_path / "cache")
    train(shop, recipe(stage_two_epochs=2), tmp_path / "second", tmp_path / "cache", others=[other])
    assert taken(tmp_path / "second", other) == {STAGE_ONE}
    train(shop, recipe(seed=1), tmp_path / "seed", tmp_path / "cache", others=[other])
    assert taken(tmp_path / "seed", other) == set()
    elsewhere = write_shop(tmp_path / "shop", copies=4)
    train(elsewhere, recipe(), tmp_path / "elsewhere", tmp_path / "cache", others=[other])
    assert taken(tmp_path / "elsewhere", other) == set()


def test_what_is_not_ended_or_not_understood_is_not_taken(shop: Shop, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(shop, recipe(), other, tmp_path / "cache")
    settings = json.loads((other / CONFIG).read_text(encoding="utf-8"))
    settings["config"]["of_another_version"] = 1
    (other / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
    train(shop, recipe(), tmp_path / "old", tmp_path / "cache", others=[other])
    assert taken(tmp_path / "old", other) == set()

    del settings["config"]["of_another_version"]
    (other / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
    progress = other / "checkpoint" / STAGE_TWO / "progress.json"
    progress.write_text(progress.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    assert not has_ended(other, STAGE_TWO)
    train(shop, recipe(), tmp_path / "new", tmp_path / "cache", others=[other])
    assert taken(tmp_path / "new", other) == {STAGE_ONE}
