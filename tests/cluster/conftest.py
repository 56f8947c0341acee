"""A real Milvus cluster of thirteen processes, started once; tests that need it skip where it cannot be had."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymilvus import MilvusClient, MilvusException

_TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "milvus_cluster.py"
ADDRESS = "milvus://127.0.0.1:19530"
_LEAST_FREE = 0.02
"""Of a disk: the cluster's object store takes no more writes below a hundredth, and a write then waits for ever."""
_ATTEMPTS, _SECONDS_BETWEEN = 3, 20
"""A port of the cluster may be a passing connection's: it dies then, and finds the port free a little later."""


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
    for _ in range(_ATTEMPTS):
        cluster("down", "--wipe")
        started = cluster("up")
        if not started.returncode:
            break
        time.sleep(_SECONDS_BETWEEN)
    else:
        cluster("down", "--wipe")
        pytest.skip(f"no Milvus cluster can be started here: {started.stderr.strip().splitlines()[-1]}")
    try:
        _can_store()
        yield cluster
    finally:
        cluster("down", "--wipe")


def _can_store() -> None:
    """Skip where Milvus itself cannot write down a few rows, rather than wait for it in every test."""
    disk = shutil.disk_usage(Path.home())
    if disk.free < _LEAST_FREE * disk.total:
        pytest.skip(
            f"a Milvus cluster writes nothing here: {disk.free / 1e9:.1f} GB of the disk's {disk.total / 1e9:.0f} GB "
            "are free, and its object store stops at one hundredth"
        )
    client = MilvusClient(ADDRESS.replace("milvus", "http", 1))
    client.create_collection("canary", dimension=4, timeout=60)
    client.insert("canary", [{"id": 1, "vector": [0.0, 0.0, 0.0, 1.0]}], timeout=60)
    try:
        client.flush("canary", timeout=60)
    except MilvusException as error:
        pytest.skip(f"the Milvus cluster that was started here stores nothing: {error}")
    client.drop_collection("canary", timeout=60)
    client.close()
