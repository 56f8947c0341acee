"""A module imports only from floors below it, says what it is about, and opens no pickle."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "smar").rglob("*.py"))


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_imports_only_from_floors_below_it() -> None:
    arguments = ["--no-logo", "--no-cache"]
    found = run_python(f"from importlinter.cli import lint_imports_command as run; run({arguments})")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 kept, 0 broken" in found.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_opens_by_saying_what_it_is_about(path: Path) -> None:
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert words, f"{path}: has no docstring"


def test_no_pickle_is_written_or_opened() -> None:
    forbidden = re.compile(
        r"^\s*(import|from) (pickle|joblib|dill|shelve)\b|allow_pickle=True|torch\.save\(", re.M
    )
    unsafe_load = re.compile(r"torch\.load\((?!.*weights_only=True)")
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not forbidden.search(text), path
        assert not unsafe_load.search(text), path


def test_the_command_line_starts_without_loading_torch() -> None:
    heavy = ("torch", "transformers", "faiss", "polars", "matplotlib", "skia")
    found = run_python(
        f"import sys, smar, smar.cli; print([name for name in {heavy} if name in sys.modules])"
    )
    assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_judging_loads_transformers_only_to_read_a_network() -> None:
    found = run_python("import sys, smar.experiment.judging; print('transformers' in sys.modules)")
    assert found.stdout.strip() == "False", found.stdout + found.stderr
