"""How long 1 % of a catalogue takes to change, in a service and by `smar index`, against embedding all of it again.

    python bench/update.py RUN SHOP [--kind ivf]

`smar index` is a whole command, from the start of the process to the published generation, over a copy of the run and
of the shop's tables; all of it once, changes several times. A service that runs takes the same items over HTTP, up to
a thousand a request; when it has replied they are on disk and in every search. States of a frozen image encoder come
from the cache in all. Changed items get another title.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl
from draw import draw
from load import start, until_prepared
from machine import describe

from smar.data.catalog import CANONICAL
from smar.files import write_text
from smar.serving.keys import new_key

OUT = Path(__file__).parent / "results" / "update.json"
SHARE = 0.01
AT_ONCE = 1000


def index(shop: Path, run: Path, *options: str) -> float:
    """Seconds of one `smar index`."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "smar", "index", str(shop), str(run), *options],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def copy(run: Path, shop: Path, place: Path, kind: str) -> tuple[Path, Path]:
    """The run, set to an index of `kind`, and the shop with links to its photos."""
    ours, stock = place / "run", place / "shop"
    shutil.copytree(run, ours, ignore=shutil.ignore_patterns("index", "thumbnails", "checkpoint"))
    settings = json.loads((ours / "run.json").read_text(encoding="utf-8"))
    settings["config"]["index"] = {"kind": kind}
    (ours / "run.json").write_text(json.dumps(settings), encoding="utf-8")
    stock.mkdir()
    for part in shop.iterdir():
        if part.name != "items.parquet":
            (stock / part.name).symlink_to(part.resolve())
    shutil.copy(shop / "items.parquet", stock)
    return ours, stock


def change(shop: Path, seed: int) -> pl.DataFrame:
    """Give 1 % of the items another title; these items."""
    table = pl.read_parquet(shop / "items.parquet")
    chosen = pl.Series(np.random.default_rng(seed).random(len(table)) < SHARE)
    title = pl.when(chosen).then(pl.col("title") + f" {seed}").otherwise("title").alias("title")
    table = table.with_columns(title)
    table.write_parquet(shop / "items.parquet")
    return table.filter(chosen)


class Service:
    """`smar serve` over a run, and one who may change its items."""

    def __init__(self, run: Path) -> None:
        self.key, lines = new_key("bench", "write")
        keys, settings = run.parent / "keys.toml", run.parent / "serve.toml"
        keys.write_text(lines, encoding="utf-8")
        settings.write_text(f"keys = {json.dumps(str(keys))}\n", encoding="utf-8")
        self.server, self.port, _ = start(run, run.parent / "serve.log", "--config", str(settings))
        until_prepared(self.port)

    def change(self, items: pl.DataFrame) -> float:
        """Seconds until these items are found as they are now."""
        began = time.perf_counter()
        for rows in items.iter_slices(AT_ONCE):
            by_id = {row["item_id"]: as_asked(row) for row in rows.iter_rows(named=True)}
            self.ask("POST", "/v1/items", {"items": by_id})
        took = time.perf_counter() - began
        last = items.row(-1, named=True)
        found = self.ask("GET", f"/v1/items/{quote(last['item_id'], safe='')}")["item"]
        if found["title"] != last["title"]:
            raise SystemExit(f"the service shows {found}, not {last}")
        return took

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What it replies."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked) as reply:
            return json.load(reply)


def as_asked(row: dict[str, Any]) -> dict[str, Any]:
    """An item of a shop's table as the service takes it."""
    known = {name: cell for name, cell in row.items() if name in CANONICAL and name != "item_id"}
    return known | {"attributes": {name: cell for name, cell in row.items() if name not in CANONICAL}}


def main() -> None:
    """Measure, print, write and draw the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--kind", default="ivf")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    whole, part, changed, served = [], [], [], []
    with tempfile.TemporaryDirectory() as place:
        run, shop = copy(given.run, given.shop, Path(place), given.kind)
        index(shop, run)  # compiles the query tower and fills the cache
        whole.append(index(shop, run, "--anew"))
        for seed in range(given.rounds):
            changed.append(len(change(shop, seed)))
            part.append(index(shop, run))
            print(f"all {whole[-1]:.1f} s, 1 % {part[-1]:.1f} s", flush=True)
        service = Service(run)
        try:
            for seed in range(given.rounds, 2 * given.rounds):
                served.append(service.change(change(shop, seed)))
                print(f"in a service {served[-1]:.1f} s", flush=True)
        finally:
            service.server.terminate()
            service.server.wait()
    results = {
        "machine": describe("torch", "faiss-cpu"),
        "kind": given.kind,
        "items_changed": changed,
        "all_seconds": [round(seconds, 1) for seconds in whole],
        "changed_seconds": [round(seconds, 1) for seconds in part],
        "changed_in_a_service_seconds": [round(seconds, 1) for seconds in served],
        "times_as_fast": round(median(whole) / median(part), 1),
        "times_as_fast_in_a_service": round(median(whole) / median(served), 1),
    }
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")
    draw("update", OUT)


if __name__ == "__main__":
    main()
