"""Memory and time of a training step of a large batch, whole and in parts (`at_once`).

    python bench/large_batch.py SHOP [--batch 8192] [--at-once 128]

`configs/mart.toml` (text encoder fine-tuned, image states cached, all three tasks); one step each in a process of its
own. Memory is what the process has for itself at its peak: pages of cached states, which are mapped from disk and can
be taken back at any time, are not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from machine import describe

from smar.files import write_text

OUT = Path(__file__).parent / "results" / "large_batch.json"
RECIPE = Path(__file__).parent.parent / "configs" / "mart.toml"


def step(shop: Path, batch: int, at_once: int | None) -> None:
    """Take one step in this process, and print its seconds and the peak of its own memory."""
    from smar.data.clicks import ClickConfig
    from smar.data.shop import Shop
    from smar.experiment.config import ExperimentConfig
    from smar.model.smar import SMAR
    from smar.training.loop import LoopConfig, fit
    from smar.training.pairs import Pairs
    from smar.training.pretrain import Pretraining, PretrainingConfig, calibrate
    from smar.training.stage import Material

    opened = Shop.open(shop)
    config = ExperimentConfig.load(RECIPE)
    model = SMAR.build(config.model)
    model.cache = Path(os.environ.get("SMAR_CACHE", "~/.cache/smar")).expanduser()
    pairs = Pairs.from_clicks(opened.clicks(ClickConfig()), opened.catalog)
    # Pairs lie by query; with others beside them come items of all departments, with photos and without.
    drawn = np.random.default_rng(0).permutation(len(pairs.queries))[:batch]
    few = Pairs(pairs.texts, pairs.queries[drawn], pairs.items[drawn], pairs.weights[drawn])
    material = Material(few, model.read_queries(few.texts), model.read_items(opened.catalog))
    calibrate(model, material)
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            memory = psutil.Process().memory_info()
            peak[0] = max(peak[0], memory.rss - memory.shared)

    watching = threading.Thread(target=watch)
    watching.start()
    loop = LoopConfig(
        epochs=1, batch_size=batch, at_once=at_once, precision=config.pretraining.loop.precision
    )
    done = fit(model, Pretraining(PretrainingConfig()), material, loop)
    over.set()
    watching.join()
    print(
        json.dumps(
            {"pairs": len(few), "seconds": round(done.seconds, 1), "own_gib": round(peak[0] / 2**30, 2)}
        )
    )


def measure(shop: Path, batch: int, at_once: int | None) -> dict[str, float]:
    """One step in a process of its own."""
    command = [sys.executable, __file__, str(shop), "--batch", str(batch), "--step"]
    command += [] if at_once is None else ["--at-once", str(at_once)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"batch {batch}, at once {at_once}: {found}", flush=True)
    return found


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--batch", type=int, default=8192)
    arguments.add_argument("--at-once", type=int)
    arguments.add_argument("--step", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.step:
        step(given.shop, given.batch, given.at_once)
        return
    at_once = given.at_once or 128
    began = time.perf_counter()
    results = {
        "machine": describe("torch", "transformers"),
        "whole batch of 512": measure(given.shop, 512, None),
        "batch of 512 in parts": measure(given.shop, 512, at_once),
        f"batch of {given.batch:,} in parts": measure(given.shop, given.batch, at_once),
        "at_once": at_once,
    }
    print(f"{time.perf_counter() - began:.0f} s")
    write_text(OUT, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
