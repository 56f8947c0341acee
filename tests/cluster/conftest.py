"""A real Milvus cluster of thirteen processes, started once; tests that need it skip where it cannot be had."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "milvus_cluster.py"
ADDRESS = "milvus://127.0.0.1:19530"


def cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool that starts and kills the processes of the cluster."""
    return subprocess.run(
        [sys.executable, str(_TOOL), *arguments], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="session")
def milvus() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """A cluster with nothing in it; calls run the tool on it."""
    if not _TOOL.is_file():
        pytest.skip("the tool that starts a Milvus cluster lies beside the maintainers' repository only")
    cluster("down", "--wipe")
    started = cluster("up")
    if started.returncode:
        pytest.skip(f"no Milvus cluster can be started here: {started.stderr.strip().splitlines()[-1]}")
    yield cluster
    cluster("down", "--wipe")
