"""How fast `smar serve` answers `/v1/search` (k = 50), and what it does when five times too much is asked.

    python bench/serve_load.py RUN SHOP [--clients 8] [--seconds 15]

The server is a process of its own; clients wait until it has embedded frequent queries ahead. Loads: queries drawn as
often as the log has them, after as many to warm up (vectors and hits of the last are remembered); judged queries that
each come once (none is), by one client and by all; and floods at five times the rate of those, each request sent when
its time has come whether or not the others were answered. Floods take turns with measurements of what the server can
do, since a shared machine is faster at one minute than at the next. The clients take processor time too, which the
server lacks.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
from load import Seen, closed_loop, flood, request, start, until_prepared
from machine import describe

from smar.data.shop import Shop
from smar.files import write_text

OUT = Path(__file__).parent / "results" / "serve_load.json"
K = 50
FLOOD = 5
ROUNDS = 5
CONNECTIONS = 256


def loads(shop: Shop) -> tuple[Iterator[bytes], list[bytes]]:
    """Requests drawn as the log has them, without end, and each judged query once."""
    counts = dict(shop.clicks().table.group_by("query").agg(pl.col("clicks").sum()).iter_rows())
    random.seed(0)
    names, weights = list(counts), list(counts.values())
    drawn = (request(query, K) for _ in iter(int, 1) for query in random.choices(names, weights, k=10_000))
    return drawn, [request(query.text, K) for query in shop.queries("dev")]


def against_flood(port: int, once: list[bytes], number: int, given: argparse.Namespace) -> dict[str, Any]:
    """What the server answers of queries that were never asked, and then of a flood of such."""
    # A letter more, and no query was asked before.
    fresh = [
        asked.replace(b" HTTP", b"+%c%c HTTP" % (97 + number, letter))
        for letter in b"abcdefgh"
        for asked in once
    ]
    ends = time.monotonic() + given.seconds / 2
    peak = closed_loop(port, iter(fresh), given.clients, lambda: time.monotonic() > ends)
    peak_rate = len(peak.seconds) / peak.took
    flooded = flood(port, fresh[len(peak.seconds) :], FLOOD * peak_rate, given.seconds / 2, CONNECTIONS)
    found = {
        "each once": peak.summary(),
        "asked_a_second": round(FLOOD * peak_rate),
        "flood": flooded.summary(),
        "goodput_of_peak": round(len(flooded.seconds) / flooded.took / peak_rate, 3),
    }
    print("round", number + 1, found, flush=True)
    return found


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=15)
    given = arguments.parse_args()
    drawn, once = loads(Shop.open(given.shop))
    prepared = [next(drawn) for _ in range(20_000)]
    server, port, seconds = start(given.run, Path(tempfile.gettempdir()) / "serve_load.log")
    process = psutil.Process(server.pid)
    results: dict[str, object] = {
        "machine": describe("uvicorn", "fastapi", "onnxruntime", "faiss-cpu"),
        "k": K,
        "clients": given.clients,
        "seconds_to_ready": round(seconds, 1),
    }

    def measure(name: str, requests: Iterable[bytes], clients: int) -> Seen:
        ends = time.monotonic() + given.seconds
        seen = closed_loop(port, iter(requests), clients, lambda: time.monotonic() > ends)
        results[name] = seen.summary()
        print(name, results[name], flush=True)
        return seen

    try:
        results["seconds_to_prepared"] = round(seconds + until_prepared(port), 1)
        measure("warming up", prepared[:10_000], given.clients)
        measure("as the log has them", prepared[10_000:], given.clients)
        measure("each once, one client", once[:500], 1)
        before = process.memory_info().rss
        floods = [against_flood(port, once, number, given) for number in range(ROUNDS)]
        results["rounds of peak and flood"] = floods
        results["goodput_of_peak"] = round(statistics.median(one["goodput_of_peak"] for one in floods), 3)
        print("goodput, median of rounds", results["goodput_of_peak"], flush=True)
        results["memory_mib"] = {"before": before >> 20, "after": process.memory_info().rss >> 20}
    finally:
        server.terminate()
        server.wait()
    write_text(OUT, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
