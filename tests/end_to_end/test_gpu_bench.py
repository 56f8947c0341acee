"""The bench of a GPU: it says so where there is none, and its way can be gone without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).resolve().parents[2] / "bench" / "gpu.py"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which would be measured")
def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    assert "No GPU here" in run("--out", str(tmp_path / "gpu.json"))
    assert not list(tmp_path.iterdir())


def test_the_way_can_be_gone_on_a_processor(tmp_path: Path) -> None:
    printed = run("--device", "cpu", "--tiny", "--out", str(tmp_path / "gpu.json"))
    found = json.loads(printed[printed.rindex('{\n  "machine"') :])
    # How near the limit is a matter of the machine: so few numbers may be faster than the product that was timed.
    assert found["training"]["of_the_limit"] > 0
    assert found["embedding"]["of_the_limit"] > 0
    assert found["largest batch, whole"] == found["largest batch, in parts"] == 16
    assert found["exact search"]["vectors"] == 2_000
    assert not list(tmp_path.iterdir())
