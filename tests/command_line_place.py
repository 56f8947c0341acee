"""A folder in which the real command line is run, in processes of its own, with settings for a very small model."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LITTLE = """
threads = 1
[clicks]
held_out = 0.2
[model]
dim = 32
lexical = { dim = 32 }
heads = 2
text = { name = "small" }
image = { name = "small", image_size = 32, grid = 2 }
terms = { dim = 16 }
[pretraining.loop]
epochs = 2
batch_size = 64
checkpoint_every = 1
[adaptation.loop]
epochs = 1
batch_size = 64
[terms]
epochs = 2
least_queries = 2
"""


@dataclass(frozen=True)
class Place:
    """A folder in which commands run, with `configs/demo.toml`, `shops/demo` and `runs/demo`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Put the settings there."""
        (folder / "configs").mkdir()
        (folder / "configs" / "demo.toml").write_text(LITTLE, encoding="utf-8")
        return cls(folder)

    def environment(self) -> dict[str, str]:
        """Threads for one core, and everything that is cached in the folder."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "SMAR_CACHE": str(self.folder / "cache"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "PYTHONWARNINGS": "default",
        }

    def python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python here."""
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def smar(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command here."""
        return self.python("-m", "smar", *arguments)

    def fail(self, *arguments: object) -> str:
        """Run a command that must refuse; give its one line."""
        done = self.smar(*arguments)
        assert done.returncode == 2, f"smar {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(said) == 1, done.stderr
        assert done.stderr.rstrip().endswith(said[0]), done.stderr
        assert "Traceback" not in done.stderr
        return said[0]

    def succeed(self, *arguments: object) -> str:
        """Run a command that must succeed; give what it printed."""
        done = self.smar(*arguments)
        assert done.returncode == 0, f"smar {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout
