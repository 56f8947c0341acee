"""Several processes train together: they learn what one learns alone, all end with one, and go on where they ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from model_fakes import write_shop
from smar.data.shop import Shop
from smar.experiment.runs import SUMMARY
from smar.model.smar import SMAR
from smar.model.store import FOLDER

# Adam divides by the size of gradients: where one is all but zero, the order of a sum decides a weight's step. By other
# seeds than this a few weights of thousands have such a gradient once.
CONFIG = """
threads = 1
[clicks]
held_out = 0.2
gate_items = 0.3
[model]
seed = 2
dim = 32
heads = 2
text = {name = "small"}
image = {name = "small", image_size = 32, grid = 3}
text_dropout = 0.0
image_dropout = 0.0
terms = {dim = 16}
[pretraining.start]
epochs = 2
batch_size = 16
precision = "float32"
[pretraining.loop]
epochs = 4
batch_size = 16
own_words = 8
precision = "float32"
checkpoint_every = 2
negatives = {count = 4, below = 1.0}
[adaptation.loop]
epochs = 1
batch_size = 16
precision = "float32"
"""
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("several") / "shop", copies=2)


def command(processes: int, shop: Shop, run: Path, *more: str) -> list[str]:
    config = run.parent / "config.toml"
    config.write_text(CONFIG)
    start = [*TOGETHER, str(processes)] if processes > 1 else [sys.executable]
    arguments = [
        "train",
        shop.folder,
        "--config",
        config,
        "--out",
        run,
        "--cache",
        run.parent / "cache",
        *more,
    ]
    return [*start, "-m", "smar", *map(str, arguments)]


def train(processes: int, shop: Shop, run: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(processes, shop, run, *more), capture_output=True, text=True, check=False, env=environment
    )


def steps(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


@pytest.mark.timeout(600)
def test_three_learn_what_one_learns(shop: Shop, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    for processes, run in ((1, alone), (3, together)):
        done = train(processes, shop, run)
        assert done.returncode == 0, done.stderr
    # The first process speaks for all.
    assert done.stderr.count("pairs to learn from") == done.stdout.count("next: smar index") == 1
    ours, theirs = steps(together), steps(alone)
    assert [(line["stage"], line["step"]) for line in ours] == [
        (line["stage"], line["step"]) for line in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        if "loss" in one:
            assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
    weights = SMAR.load(together / FOLDER).state_dict()
    for name, expected in SMAR.load(alone / FOLDER).state_dict().items():
        torch.testing.assert_close(weights[name], expected, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.timeout(600)
def test_all_end_with_one_and_go_on_exactly(shop: Shop, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    assert train(2, shop, whole).returncode == 0
    with subprocess.Popen(
        command(2, shop, run), stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as together:
        until = time.monotonic() + 120
        while not (run / "checkpoint" / "pretraining" / "progress.json").exists():
            assert together.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        second = max(psutil.Process(together.pid).children(), key=lambda child: child.pid)
        second.send_signal(signal.SIGKILL)
        _, said = together.communicate(timeout=120)
    assert together.returncode != 0
    assert "SIGKILL" in said
    assert not (run / SUMMARY).exists()
    done = train(2, shop, run, "--resume")
    assert done.returncode == 0, done.stderr
    assert "continuing after step" in done.stderr
    assert SMAR.load(run / FOLDER).fingerprint == SMAR.load(whole / FOLDER).fingerprint


@pytest.mark.timeout(600)
def test_what_two_began_one_may_end(shop: Shop, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(command(2, shop, run), stderr=subprocess.DEVNULL) as together:
        until = time.monotonic() + 120
        while not (run / "checkpoint" / "pretraining" / "progress.json").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        together.terminate()
    done = train(1, shop, run, "--resume")
    assert done.returncode == 0, done.stderr
    assert "continuing after step" in done.stderr


@pytest.mark.timeout(600)
def test_a_folder_that_is_there_already_is_refused_by_all(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "something").touch()
    done = train(2, shop, tmp_path / "run")
    assert done.returncode != 0
    assert "is there already; give another --out" in done.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["something"]
