"""A training process is killed at several moments and resumed: the weights are those of an uninterrupted run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_fakes import write_shop
from smar.experiment.runs import SUMMARY
from smar.model.smar import SMAR
from smar.model.store import FOLDER

CONFIG = """
threads = 1
[clicks]
held_out = 0.2
gate_items = 0.3
[model]
dim = 32
heads = 2
text = {name = "small"}
image = {name = "small", image_size = 32, grid = 3}
[pretraining.loop]
epochs = 6
batch_size = 16
checkpoint_every = 2
negatives = {count = 4, below = 1.0}
[adaptation.loop]
epochs = 2
batch_size = 16
checkpoint_every = 2
negatives = {count = 4, below = 1.0}
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


def progress(run: Path) -> int:
    """Lines of metrics so far."""
    path = run / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


@pytest.mark.timeout(900)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=2).folder
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    whole = subprocess.run(
        command(shop, tmp_path / "whole", config), capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    lines = progress(tmp_path / "whole")
    written = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    begins = next(place for place, line in enumerate(written) if json.loads(line)["stage"] == "adaptation")
    assert json.loads((tmp_path / "whole" / SUMMARY).read_text())["gate"]["clicks"] > 0

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
