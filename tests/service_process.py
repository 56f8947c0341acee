"""`smar serve` as a process of its own, for tests that need a real one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from command_line_place import Place


@contextmanager
def running_service(place: Place, config: str, log_name: str = "serve.log") -> Iterator[str]:
    """Serve `runs/demo` with these settings until the block ends; its address. Standard error goes to `log_name`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place.folder / log_name
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "smar", "serve", "runs/demo", "--port", str(port), "--config", config],
            cwd=place.folder,
            env=place.environment(),
            stderr=sink,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while not _is_ready(address):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < until
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(20)
        assert ended in (0, -signal.SIGTERM), f"{ended}: {log.read_text(encoding='utf-8')[-4000:]}"


def _is_ready(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/ready", timeout=5).close()
    except OSError:
        return False
    return True
