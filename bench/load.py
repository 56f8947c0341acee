"""A search service, and clients of it that cost little themselves: plain sockets, requests written beforehand."""

from __future__ import annotations

import http.client
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

_LARGEST = 1 << 16
_SECONDS_OF_REST = 0.002


@dataclass
class Seen:
    """What clients saw: seconds of requests that were answered, and how many had which status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    took: float = 0.0

    def add(self, status: str, seconds: float) -> None:
        """Note one reply."""
        self.statuses[status] += 1
        if status == "200":
            self.seconds.append(seconds)

    def summary(self) -> dict[str, object]:
        """Milliseconds, answers a second, and statuses."""
        answered = np.array(self.seconds or [0.0]) * 1e3
        p50, p99 = np.percentile(answered, [50, 99])
        return {
            "answered_a_second": round(len(self.seconds) / self.took, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "statuses": dict(self.statuses),
        }


def request(query: str, k: int) -> bytes:
    """A search for `query`, as it goes over the wire."""
    return f"GET /v1/search?k={k}&q={quote(query)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def start(run: Path, log: Path, *options: str) -> tuple[subprocess.Popen[bytes], int, float]:
    """A server of `run`, its port, and the seconds until it was ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "smar", "serve", str(run), "--port", str(port), *options], stderr=sink
        )
    began = time.monotonic()
    while time.monotonic() - began < 120 and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return server, port, time.monotonic() - began
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SystemExit(f"the server did not start: {log.read_text(encoding='utf-8')}")


def until_prepared(port: int) -> float:
    """The seconds until the server keeps no more queries than a second before, two minutes at most."""
    began, known = time.monotonic(), 0.0
    while (took := time.monotonic() - began) < 120:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            (now,) = re.findall(rb"^smar_queries_kept (.+)$", reply.read(), re.MULTILINE)
        if 0 < known == float(now):
            break
        known = float(now)
        time.sleep(1)
    return took


def connect(port: int) -> socket.socket:
    """A connection that sends small packets at once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def closed_loop(port: int, requests: Iterator[bytes], clients: int, until: Callable[[], bool]) -> Seen:
    """`clients` that each ask again as soon as they were answered."""
    seen, lock, began = Seen(), threading.Lock(), time.perf_counter()

    def client() -> None:
        with connect(port) as connection:
            while not until():
                with lock:
                    asked = next(requests, None)
                if asked is None:
                    break
                sent = time.perf_counter()
                connection.sendall(asked)
                status = _read(connection)
                seen.add(status, time.perf_counter() - sent)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.took = time.perf_counter() - began
    return seen


def flood(port: int, requests: Sequence[bytes], rate: float, seconds: float, connections: int) -> Seen:
    """`rate` requests a second, whether or not earlier ones were answered, over `connections` that are kept open.

    A request whose time has come while every connection waits for an answer is counted as "no connection".
    """
    seen = Seen()
    everyone = [connect(port) for _ in range(connections)]
    idle = deque(everyone)
    waiting: dict[socket.socket, tuple[float, bytearray]] = {}
    began, sent, total = time.perf_counter(), 0, int(rate * seconds)
    with selectors.DefaultSelector() as selector:
        # Once and for all: what the driver spends on itself, the server lacks.
        for connection in everyone:
            selector.register(connection, selectors.EVENT_READ)
        while sent < total or waiting:
            now = time.perf_counter()
            due = min(int((now - began) * rate), total)
            while sent < due:
                if idle:
                    # The one that has rested longest: a server closes those that rest too long.
                    connection = idle.popleft()
                    connection.sendall(requests[sent % len(requests)])
                    waiting[connection] = (now, bytearray())
                else:
                    seen.add("no connection", 0.0)
                sent += 1
            for key, _ in selector.select(timeout=_SECONDS_OF_REST):
                connection = key.fileobj  # type: ignore[assignment]
                part = connection.recv(_LARGEST)
                started, reply = waiting.get(connection, (now, bytearray()))
                reply += part
                if not part:
                    selector.unregister(connection)
                    connection.close()
                    if waiting.pop(connection, None) is None:
                        idle.remove(connection)
                    else:
                        seen.add("lost", 0.0)
                    connection = connect(port)
                    selector.register(connection, selectors.EVENT_READ)
                    idle.append(connection)
                elif _missing(reply) == 0:
                    seen.add(reply[9:12].decode(), time.perf_counter() - started)
                    del waiting[connection]
                    idle.append(connection)
    seen.took = time.perf_counter() - began
    for connection in idle:
        connection.close()
    return seen


def _read(connection: socket.socket) -> str:
    reply = bytearray()
    while _missing(reply):
        part = connection.recv(_LARGEST)
        if not part:
            raise ConnectionError("the service closed the connection")
        reply += part
    return reply[9:12].decode()


def _missing(reply: bytearray) -> int:
    """Bytes of a reply that have not come yet; at least 1 while its length is not known."""
    end = reply.find(b"\r\n\r\n")
    if end < 0:
        return 1
    head = reply[:end].lower()
    length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    return end + 4 + length - len(reply)
