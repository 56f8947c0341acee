"""A real process that fills a feature store is killed, again and again; this file, run, is that process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from smar.data.features import FeatureStore
from smar.data.features_fill import fill
from smar.data.features_index import RECORD
from smar.files import digest

WIDTH = 64
COUNT = 120
BATCH = 4
KEYS = [digest(str(position)) for position in range(COUNT)]


def states(position: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(position)
    return rng.standard_normal((rows + position % 5, WIDTH)).astype(np.float16)


def run_child(folder: Path, asked: Path, rows: int, pause: float) -> None:
    store = FeatureStore.open(folder, "bert", WIDTH)
    with asked.open("a") as log:

        def encode(positions: list[int]) -> list[np.ndarray]:
            log.write("".join(f"{position}\n" for position in positions))
            log.flush()
            time.sleep(pause)
            return [states(position, rows) for position in positions]

        fill(store, KEYS, encode, BATCH, "states")


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )


def kill_once_it_wrote(child: subprocess.Popen[bytes], folder: Path, entries: int, delay: float) -> bool:
    """Kill the child `delay` seconds after the index has `entries` records; true if it still ran."""
    deadline = time.monotonic() + 60
    index = folder / "keys.bin"
    while child.poll() is None and time.monotonic() < deadline:
        if index.exists() and index.stat().st_size >= entries * RECORD.itemsize:
            break
        time.sleep(0.001)
    time.sleep(delay)
    child.kill()
    _, said = child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), said.decode()
    return child.returncode != 0


def stored_correctly(folder: Path, rows: int) -> set[int]:
    """Positions that the store holds, after checking the content of each."""
    store = FeatureStore.open(folder, "bert", WIDTH)
    missing = set(store.missing(KEYS))
    held = [position for position in range(COUNT) if position not in missing]
    assert len(store) == len(held)
    for position, found in zip(held, store.read(store.lookup([KEYS[at] for at in held])), strict=True):
        np.testing.assert_array_equal(found, states(position, rows))
    return set(held)


# Slow encoding dies inside the encoder; fast encoding of many rows dies inside the writing.
@pytest.mark.parametrize(("rows", "pause"), [(3, 0.02), (2000, 0.0)])
def test_a_killed_extraction_continues_and_ends_as_an_uninterrupted_one(
    tmp_path: Path, rows: int, pause: float
) -> None:
    folder, asked = tmp_path / "store", tmp_path / "asked"
    moments = random.Random(rows)
    held: set[int] = set()
    kills = 0
    for step in (1, 25, 50, 75):
        asked.write_text("")
        child = start(folder, asked, rows, pause)
        kills += kill_once_it_wrote(child, folder, max(step, len(held) + 1), moments.uniform(0, 0.03))
        encoded_now = {int(line) for line in asked.read_text().split()}
        assert not encoded_now & held, "what was stored was encoded again"
        now = stored_correctly(folder, rows)
        assert held <= now
        assert len(encoded_now - now) <= BATCH, "more than the batch in hand was lost"
        held = now
    assert kills >= 2
    assert held

    asked.write_text("")
    child = start(folder, asked, rows, 0.0)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0, said.decode()
    assert {int(line) for line in asked.read_text().split()} == set(range(COUNT)) - held
    assert stored_correctly(folder, rows) == set(range(COUNT))

    run_child(tmp_path / "uninterrupted", tmp_path / "asked", rows, 0.0)
    for name in ("store.json", "states.bin", "keys.bin"):
        assert (folder / name).read_bytes() == (tmp_path / "uninterrupted" / name).read_bytes()


if __name__ == "__main__":
    run_child(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
