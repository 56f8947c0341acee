"""Publishes generations from processes that are killed on the way; prints what a reader then sees.

`publish_and_die.py everywhere FOLDER`: for n = 1, 2, ... a child publishes and is killed at its n-th moment,
a line of the publishing code or an operation on a file; one JSON line each.
`publish_and_die.py forever FOLDER`: publishes and prunes until this process is killed from outside.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from smar import files
from smar.retrieval import generations
from smar.retrieval.generations import current, prune, publish

FILES = 4


def stamped(stamp: int) -> Any:
    def write(folder: Path) -> None:
        for name in range(FILES):
            (folder / f"part-{name}").write_text(f"{stamp}\n" * (1 + stamp % 7))

    return write


def seen(folder: Path) -> list[str]:
    """The distinct stamps in the current generation; one if it is whole."""
    generation = current(folder)
    generation.check()
    return sorted({line for file in generation.path.glob("part-*") for line in file.read_text().split()})


def dies_at(moment: int) -> None:
    """Kill this process at its `moment`-th step: a line of the publishing code or an operation on a file."""
    countdown = moment

    def step() -> None:
        nonlocal countdown
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in (generations.__file__, files.__file__):
            return None
        if event == "line":
            step()
        return trace

    def audit(event: str, _: Any) -> None:
        if event.startswith(("os.", "open", "shutil.", "tempfile.")):
            step()

    sys.addaudithook(audit)
    sys.settrace(trace)


def hidden(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".lock"
    )


def everywhere(folder: Path) -> None:
    publish(folder, stamped(0))
    moment, killed = 0, True
    while killed:
        moment += 1
        before = seen(folder)
        child = os.fork()
        if child == 0:
            dies_at(moment)
            publish(folder, stamped(moment))
            os._exit(0)
        killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        report = {
            "moment": moment,
            "killed": killed,
            "before": before,
            "after": seen(folder),
            "left": hidden(folder),
        }
        if moment % 5 == 0:
            publish(folder, stamped(moment))
            report["swept"] = hidden(folder)
            prune(folder, 2)
        print(json.dumps(report), flush=True)


def forever(folder: Path) -> None:
    stamp = int(seen(folder)[0]) if (folder / "current").exists() else 0
    while True:
        stamp += 1
        publish(folder, stamped(stamp))
        prune(folder, 2)
        print(stamp, flush=True)


if __name__ == "__main__":
    {"everywhere": everywhere, "forever": forever}[sys.argv[1]](Path(sys.argv[2]))
