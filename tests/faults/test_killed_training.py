"""A training process is killed at several moments and resumed: the weights are those of an uninterrupted run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from model_fakes import write_shop
from smar.experiment.runs import SUMMARY
from smar.experiment.train import ASTRAY
from smar.model.smar import SMAR
from smar.model.store import FOLDER

CONFIG = """
threads = 1
[clicks]
held_out = 0.2
gate_items = 0.3
[strays]
folds = 2
[terms]
epochs = 2
least_queries = 1
[model]
dim = 32
heads = 2
text = {name = "small"}
image = {name = "small", image_size = 32, grid = 3}
[pretraining.loop]
epochs = 6
batch_size = 16
checkpoint_every = 2
[adaptation.loop]
epochs = 2
batch_size = 16
checkpoint_every = 2
"""


def command(shop: Path, run: Path, config: Path, *more: str) -> list[str]:
    arguments = [
        "train",
        str(shop),
        "--config",
        str(config),
        "--out",
        str(run),
        "--cache",
        str(run.parent / "cache"),
    ]
    return [sys.executable, "-m", "smar", *arguments, *more]


def wander(shop: Path) -> None:
    """Let what was clicked twice be clicked often, and one shopper after each such query click a cable too."""
    clicks = pl.read_parquet(shop / "clicks.parquet")
    often = clicks.filter(pl.col("clicks") == 2)
    strays = often.unique("query").with_columns(item_id=pl.lit("cable-1"), clicks=pl.lit(1, pl.Int64))
    pl.concat([clicks.with_columns(pl.col("clicks") * 6), strays]).write_parquet(shop / "clicks.parquet")


def progress(run: Path) -> int:
    """Lines of metrics so far."""
    path = run / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


@pytest.mark.timeout(900)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=2).folder
    wander(shop)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    whole = subprocess.run(
        command(shop, tmp_path / "whole", config), capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    lines = progress(tmp_path / "whole")
    written = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    begins = next(place for place, line in enumerate(written) if json.loads(line)["stage"] == "adaptation")
    summary = json.loads((tmp_path / "whole" / SUMMARY).read_text())
    assert summary["gate"]["clicks"] > 0
    assert summary["left_out"][ASTRAY] > 0

    run, resume, kills = tmp_path / "killed", (), 0
    # In the first steps, in the middle, where stage two begins, and in it; then to the end.
    for moment in (1, lines // 3, begins, lines - 4):
        with subprocess.Popen(
            command(shop, run, config, *resume), stderr=subprocess.PIPE, text=True
        ) as child:
            while progress(run) <= moment and child.poll() is None:
                time.sleep(0.002)
            child.send_signal(signal.SIGKILL)
            child.wait()
        kills += child.returncode == -signal.SIGKILL
        resume = ("--resume",)
    assert kills >= 3
    last = subprocess.run(command(shop, run, config, "--resume"), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert SMAR.load(run / FOLDER).fingerprint == SMAR.load(tmp_path / "whole" / FOLDER).fingerprint
    assert progress(run) == lines
