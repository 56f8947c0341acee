"""How fast `smar serve` answers `/v1/search` (k = 50), and what it does when five times too much is asked.

    python bench/serve_load.py RUN SHOP [--clients 8] [--seconds 20]

The server is a process of its own. Three loads: shoppers' queries as often as the log has them (frequent ones are
remembered), judged queries that each come once (none is), and a flood at five times the rate of the second, each
request sent when its time has come whether or not the others were answered. The clients take processor time too: on two
cores they and the server share both.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
import psutil
from machine import describe

from smar.data.shop import Shop
from smar.files import write_text

OUT = Path(__file__).parent / "results" / "serve_load.json"
K = 50
FLOOD = 5
PATIENCE = 5.0


@dataclass
class Seen:
    """What clients saw: seconds of requests that were answered, and how many had which status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.perf_counter)
    took: float = 0.0

    def summary(self) -> dict[str, object]:
        """Milliseconds, answers a second, and statuses."""
        answered = np.array(self.seconds) * 1e3
        p50, p99 = np.percentile(answered, [50, 99]) if len(answered) else (0.0, 0.0)
        return {
            "answered_a_second": round(len(answered) / self.took, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "statuses": dict(self.statuses),
        }


def ask(connection: http.client.HTTPConnection, query: str, seen: Seen) -> None:
    """One search; a lost connection is a status of its own."""
    began = time.perf_counter()
    try:
        connection.request("GET", f"/v1/search?k={K}&q={quote(query)}")
        reply = connection.getresponse()
        reply.read()
        status = str(reply.status)
    except (OSError, http.client.HTTPException):
        connection.close()
        status = "lost"
    if status == "200":
        seen.seconds.append(time.perf_counter() - began)
    seen.statuses[status] += 1


def closed_loop(port: int, queries: Iterator[str], clients: int, until: Callable[[], bool]) -> Seen:
    """`clients` that each ask again as soon as they were answered."""
    seen, lock = Seen(), threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while not until():
            with lock:
                query = next(queries, None)
            if query is None:
                break
            ask(connection, query, seen)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.took = time.perf_counter() - seen.began
    return seen


def flood(port: int, queries: Sequence[str], rate: float, seconds: float) -> Seen:
    """`rate` requests a second, each on a connection of its own, whether or not earlier ones were answered."""
    seen, threads = Seen(), []

    def one(query: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        ask(connection, query, seen)
        connection.close()

    for number in range(int(rate * seconds)):
        wait = number / rate - (time.perf_counter() - seen.began)
        if wait > 0:
            time.sleep(wait)
        threads.append(threading.Thread(target=one, args=(queries[number % len(queries)],)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    seen.took = time.perf_counter() - seen.began
    return seen


def start(run: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server of `run`, once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "smar", "serve", str(run), "--port", str(port)], stderr=sink
        )
    began = time.monotonic()
    while time.monotonic() - began < 120:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                print(f"ready after {time.monotonic() - began:.1f} s")
                return server, port
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SystemExit(f"the server did not start; see {log}")


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    shop = Shop.open(given.shop)
    log = shop.clicks()
    counts = dict(log.table.group_by("query").agg(pl.col("clicks").sum()).iter_rows())
    random.seed(0)
    drawn = random.choices(list(counts), list(counts.values()), k=200_000)
    fresh = [query.text for query in shop.queries("dev")]
    results: dict[str, object] = {
        "machine": describe("uvicorn", "fastapi", "torch", "faiss-cpu"),
        "k": K,
        "clients": given.clients,
    }
    server, port = start(given.run, Path(tempfile.gettempdir()) / "serve_load.log")
    memory = psutil.Process(server.pid)
    try:
        closed_loop(port, iter(fresh[:200]), given.clients, lambda: False)  # warms up
        ends = time.monotonic() + given.seconds
        results["as the log has them"] = closed_loop(
            port, iter(drawn), given.clients, lambda: time.monotonic() > ends
        ).summary()
        once = closed_loop(port, iter(fresh[200:]), given.clients, lambda: False)
        results["each once"] = once.summary()
        before = memory.memory_info().rss
        again = [f"{query} {number}" for number in range(3) for query in fresh]
        peak = closed_loop(port, iter(again[:3000]), given.clients, lambda: False).summary()
        results["peak, never seen"] = peak
        rate = FLOOD * float(peak["answered_a_second"])  # type: ignore[arg-type]
        results["flood"] = flood(port, again[3000:], rate, given.seconds).summary() | {
            "asked_a_second": round(rate)
        }
        results["memory_mib"] = {"before": before >> 20, "after": memory.memory_info().rss >> 20}
    finally:
        server.terminate()
        server.wait()
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
