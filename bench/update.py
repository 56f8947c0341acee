"""How long `smar index` takes after 1 % of a catalogue changed, against embedding all of it again.

    python bench/update.py RUN SHOP [--kind ivf]

Both are whole commands, from the start of the process to the published generation, over a copy of the run and of the
shop's tables; all of it once, changes several times. States of a frozen image encoder come from the cache in both.
Changed items get another title.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from draw import draw
from machine import describe

from smar.files import write_text

OUT = Path(__file__).parent / "results" / "update.json"
SHARE = 0.01


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


def change(shop: Path, seed: int) -> int:
    """Give 1 % of the items another title; how many."""
    table = pl.read_parquet(shop / "items.parquet")
    chosen = np.random.default_rng(seed).random(len(table)) < SHARE
    title = pl.when(pl.Series(chosen)).then(pl.col("title") + f" {seed}").otherwise("title").alias("title")
    table.with_columns(title).write_parquet(shop / "items.parquet")
    return int(chosen.sum())


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
    whole, part, changed = [], [], []
    with tempfile.TemporaryDirectory() as place:
        run, shop = copy(given.run, given.shop, Path(place), given.kind)
        index(shop, run)  # compiles the query tower and fills the cache
        whole.append(index(shop, run, "--anew"))
        for seed in range(given.rounds):
            changed.append(change(shop, seed))
            part.append(index(shop, run))
            print(f"all {whole[-1]:.1f} s, 1 % {part[-1]:.1f} s", flush=True)
    results = {
        "machine": describe("torch", "faiss-cpu"),
        "kind": given.kind,
        "items_changed": changed,
        "all_seconds": [round(seconds, 1) for seconds in whole],
        "changed_seconds": [round(seconds, 1) for seconds in part],
        "times_as_fast": round(median(whole) / median(part), 1),
    }
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")
    draw("update", OUT)


if __name__ == "__main__":
    main()
