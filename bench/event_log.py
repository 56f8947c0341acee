"""How much time and memory it takes to count a long event log: writes bench/results/event_log.json.

The log is made up: skewed queries in several spellings, each with a few favourite items; some clicks repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from machine import describe

from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.files import write_text
from smar.progress import track

RESULT = Path(__file__).parent / "results" / "event_log.json"
CHUNK = 1_000_000
EVENTS_PER_SESSION = 4
WORDS = 3000
ORDER_SHARE = 0.04
TARGET_BYTES = 4 << 30


def main() -> None:
    """Write a made-up shop, count its log in a process of its own, and write down what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--queries", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_shop(options.make, options.events, options.queries, options.items)
    elif options.count:
        print(json.dumps(count_log(options.count)))
    else:
        measure(options.events, options.queries, options.items, options.out)


def measure(events: int, queries: int, items: int, out: Path) -> None:
    """Run both halves as children, so that this process stays small and its own memory is not counted."""
    described = describe("polars")
    with tempfile.TemporaryDirectory(prefix="smar-bench-") as scratch:
        shop = Path(scratch) / "shop"
        sizes = ["--events", str(events), "--queries", str(queries), "--items", str(items)]
        run_child(["--make", str(shop), *sizes])
        log_bytes = (shop / "events.parquet").stat().st_size
        counted, peak, seconds = run_child(["--count", str(shop)])
    result = {
        "question": "How long and how much memory does counting a raw event log take?",
        "events": events,
        "distinct_queries_drawn_from": queries,
        "items": items,
        "log_bytes": log_bytes,
        **json.loads(counted),
        "seconds_with_start_and_catalogue": round(seconds, 1),
        "peak_memory_bytes": peak,
        "peak_memory_gib": round(peak / 2**30, 2),
        "within_4_gib": peak <= TARGET_BYTES,
        "machine": described,
    }
    write_text(out, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def run_child(arguments: list[str]) -> tuple[str, int, float]:
    """Run this script again; give what it printed, its peak resident memory in bytes, and its seconds."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return printed, usage.ru_maxrss * unit, time.perf_counter() - start


def make_shop(folder: Path, events: int, queries: int, items: int) -> None:
    """Write items and events, the log chunk by chunk and then as one file."""
    folder.mkdir(parents=True)
    numbers = pl.int_range(items, eager=True).cast(pl.String)
    pl.DataFrame({"item_id": "item-" + numbers, "title": "thing " + numbers}).write_parquet(
        folder / "items.parquet"
    )
    pieces = folder / "pieces"
    pieces.mkdir()
    for start in track(range(0, events, CHUNK), "make up events"):
        chunk = make_events(start, min(CHUNK, events - start), queries, items)
        chunk.write_parquet(pieces / f"{start:012}.parquet")
    files = sorted(pieces.iterdir())
    pl.scan_parquet(files).sink_parquet(folder / "events.parquet", row_group_size=CHUNK)
    for file in files:
        file.unlink()


def make_events(start: int, number: int, queries: int, items: int) -> pl.DataFrame:
    """Events `start` to `start + number`: few queries are asked often, and each favours a few items."""
    random = np.random.default_rng(start)
    # A session asks one query, and so may click an item twice.
    sessions = -(-number // EVENTS_PER_SESSION)
    asked = (random.random(sessions) ** 3 * queries).astype(np.int64)
    query = np.repeat(asked, EVENTS_PER_SESSION)[:number]
    choice = np.minimum(random.geometric(0.3, number), 30)
    item = (query * 7919 + choice * 104_729) % items
    row = np.arange(start, start + number)
    table = pl.DataFrame(
        {
            "row": row,
            "number": query,
            "item": item,
            "position": choice,
            "is_order": random.random(number) < ORDER_SHARE,
            "spelling": random.integers(0, 4, number),
        }
    )
    words = pl.format(
        "shade{} {}mm kind{}",
        pl.col("number") % WORDS,
        pl.col("number") // WORDS % WORDS,
        pl.col("number") // (WORDS * 7),
    ) + pl.when(pl.col("number") % 50 == 0).then(pl.lit(" Größe")).otherwise(pl.lit(""))
    return table.select(
        (pl.lit(1_700_000_000_000_000) + pl.col("row") * 50_000).cast(pl.Datetime("us")).alias("timestamp"),
        pl.format("session-{}", pl.col("row") // EVENTS_PER_SESSION).alias("session_id"),
        pl.format("user-{}", pl.col("row") % 1_000_003).alias("user_id"),
        pl.when(pl.col("spelling") == 0).then(words.str.to_uppercase()).otherwise(words).alias("query"),
        pl.format("item-{}", pl.col("item")).alias("item_id"),
        "position",
        pl.when("is_order").then(pl.lit("order")).otherwise(pl.lit("click")).alias("event"),
    )


def count_log(folder: Path) -> dict[str, object]:
    """Open the shop and count its log, as training does."""
    shop = Shop.open(folder)
    start = time.perf_counter()
    log = shop.clicks(ClickConfig())
    seconds = time.perf_counter() - start
    return {
        "pairs": len(log),
        "left_out": dict(log.left_out),
        "counting_seconds": round(seconds, 1),
        "events_per_second": round(log.events / seconds),
    }


if __name__ == "__main__":
    main()
