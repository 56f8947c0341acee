"""Writers that are killed while they publish; readers must see the old generation or the new one, whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from publish_and_die import hidden, seen, stamped

from smar.errors import DataError
from smar.retrieval.generations import current, generations, publish

SCRIPT = Path(__file__).with_name("publish_and_die.py")


def start(mode: str, folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), mode, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_a_writer_killed_at_any_moment_leaves_the_old_generation_or_the_new(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with start("everywhere", folder) as child:
        output, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors
    reports = [json.loads(line) for line in output.splitlines()]
    assert len(reports) > 100, "publishing takes more steps than that"
    for report in reports:
        new = [str(report["moment"])]
        assert report["after"] in (report["before"], new), report
        assert report.get("swept", []) == [], report
    assert [report["killed"] for report in reports] == [True] * (len(reports) - 1) + [False]
    assert reports[-1]["after"] == [str(len(reports))]
    kept_old = sum(report["after"] == report["before"] for report in reports)
    assert 0 < kept_old < len(reports), "some died before the pointer moved, some after"
    assert any(report["left"] for report in reports), "some died with a half-written generation on disk"


def test_a_reader_beside_writers_that_are_killed_at_random_sees_only_whole_generations(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "index"
    dice = random.Random(5)
    newest = 0
    for _ in range(12):
        with start("forever", folder) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline(), writer.communicate()[1]
            end = time.monotonic() + dice.uniform(0, 0.15)
            while time.monotonic() < end:
                newest = max(newest, read(folder))
            writer.kill()
        assert read(folder) >= newest, "what was published once stays published"
    publish(folder, stamped(0))
    assert hidden(folder) == []
    assert current(folder) == generations(folder)[-1]


def read(folder: Path) -> int:
    """The stamp of the current generation; one pruned while it is read is opened anew, as the engine does."""
    while True:
        generation = current_or_none(folder)
        try:
            stamps = seen(folder)
        except (DataError, FileNotFoundError):
            assert current_or_none(folder) != generation, "the current generation is damaged"
            continue
        if len(stamps) != 1:
            pytest.fail(f"half a generation: {stamps}")
        return int(stamps[0])


def current_or_none(folder: Path) -> str | None:
    try:
        return current(folder).name
    except DataError:
        return None
