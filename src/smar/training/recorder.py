"""A run's metrics, as JSON lines and for TensorBoard. Knows names and numbers only."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, TextIO

from torch.utils.tensorboard import SummaryWriter

from smar.files import write_text

_LINES = "metrics.jsonl"


class Recorder:
    """Appends to `metrics.jsonl` and `tensorboard/` of a run's folder; without a folder, records nothing."""

    def __init__(self, home: Path | None, stage: str) -> None:
        self.home = home
        self.stage = stage
        self._lines: TextIO | None = None
        self._board: SummaryWriter | None = None

    def rewind(self, step: int) -> None:
        """Begin after `step` (-1: at the start): later lines, written by a run that was killed, are taken back."""
        if self.home is None:
            return
        path = self.home / _LINES
        kept = [line for line in _whole_lines(path) if line["stage"] != self.stage or line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._lines = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(self.home / "tensorboard"), purge_step=step + 1 if step > 0 else None)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Record some figures of a step."""
        if self._lines is None or self._board is None:
            return
        line = {"stage": self.stage, "step": step, "time": round(time.time(), 3), **figures}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        for name, figure in figures.items():
            self._board.add_scalar(f"{self.stage}/{name}", figure, step)

    def close(self) -> None:
        """Finish both files."""
        if self._lines is not None and self._board is not None:
            self._lines.close()
            self._board.close()


def copy_metrics(source: Path, home: Path, stage: str) -> None:
    """Give the metrics in `home` the lines that those in `source` have of a stage."""
    lines = [line for line in _whole_lines(home / _LINES) if line["stage"] != stage]
    lines += [line for line in _whole_lines(source / _LINES) if line["stage"] == stage]
    write_text(home / _LINES, "".join(json.dumps(line) + "\n" for line in lines))


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file whose last one may be torn."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
