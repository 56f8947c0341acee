"""Ten million vectors, made up from a run's: building the index, recall, a query's time, memory and the first answer.

    python bench/ten_million.py RUN SHOP [--vectors 10000000]

As bench/million.py, but for one kind of vectors and without items: from a query's text to 50 rows. Takes a quarter of
an hour, 10 GiB of disk in the folder for temporary files, and memory to hold as much, or scans read it from disk.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from machine import describe
from million import CORES, DIM, NOISE, K, Reduced, memory, percentiles, time_each, unit, widest

from smar.data.shop import Shop
from smar.files import write_text
from smar.model.compiled import CompiledQueries
from smar.progress import track
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.generations import current
from smar.retrieval.index import IndexConfig
from smar.retrieval.stored import read_vectors

OUT = Path(__file__).parent / "results" / "ten_million.json"
BLOCK = 65_536
CONFIG = IndexConfig(kind="ivf")


def make_up(run: Path, count: int, basis: np.ndarray, path: Path) -> np.ndarray:
    """`count` vectors on disk, mapped: a run's multimodal ones in fewer components, and noisy copies of them."""
    own = unit(np.asarray(read_vectors(current(run / "index")).multimodal) @ basis)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIM))
    random = np.random.default_rng(0)
    for start in track(range(0, count, len(own)), "make up vectors"):
        part = own[: count - start]
        noise = random.normal(0, NOISE / np.sqrt(DIM) * (start > 0), part.shape).astype(np.float32)
        vectors[start : start + len(part)] = unit(part + noise)
    vectors.flush()
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


def fiftieth(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The score of the 50th best row of each query, by a scan."""
    best = np.full((len(queries), K), -np.inf, np.float32)
    for start in track(range(0, len(vectors), BLOCK), "scan all"):
        scores = queries @ vectors[start : start + BLOCK].T
        best = np.partition(np.concatenate([best, scores], axis=1), -K, axis=1)[:, -K:]
    least: np.ndarray = best.min(axis=1)
    return least


def first_answer(folder: Path, run: Path, texts: list[str]) -> None:
    """A process of its own: opens everything, answers once, then often on one thread; prints what that took."""
    model = Reduced(CompiledQueries.load(run / "queries"), np.load(folder / "basis.npy"))
    index = FaissIndex.load(folder / "index", np.load(folder / "vectors.npy", mmap_mode="r"))
    faiss.omp_set_num_threads(1)

    def answer(text: str) -> Any:
        return index.search(model.embed_queries([text]).vectors, K)

    answer(texts[0])
    told: dict[str, object] = {"answered": time.time(), "memory_mib": memory()}
    gc.freeze()
    time_each(answer, texts[600:700])
    told |= percentiles(time_each(answer, texts[700:1300]))
    print(json.dumps(told | {"memory_mib_after": memory()}))


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--vectors", type=int, default=10_000_000)
    given = arguments.parse_args()
    texts = [query.text for query in Shop.open(given.shop).queries("dev")]
    basis = widest(given.run)
    model = Reduced(CompiledQueries.load(given.run / "queries"), basis)
    queries = model.embed_queries(texts[:300]).vectors
    results: dict[str, Any] = {"machine": describe("faiss-cpu", "onnxruntime", "numpy"), "dim": DIM, "k": K}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "basis.npy", basis)
        vectors = make_up(given.run, given.vectors, basis, folder / "vectors.npy")
        began = time.perf_counter()
        index = FaissIndex.build(vectors, CONFIG)
        results |= {"vectors": len(vectors), "build_seconds": round(time.perf_counter() - began, 1)}
        print(results, flush=True)
        index.save(folder / "index")
        del index
        faiss.omp_set_num_threads(CORES)
        found = FaissIndex.load(folder / "index", vectors).search(queries, K)
        least = fiftieth(vectors, queries)
        results |= {
            "index_mib": (folder / "index" / "graph.faiss").stat().st_size >> 20,
            "raw_float32_mib": vectors.nbytes >> 20,
            "recall_at_50": round(float((found.scores >= least[:, None] - 1e-6).mean()), 4),
        }
        began = time.time()
        done = subprocess.run(
            [sys.executable, __file__, "--first", str(folder), str(given.run), json.dumps(texts)],
            check=True,
            capture_output=True,
            text=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        results["seconds_to_first_answer"] = round(told.pop("answered") - began, 2)
        results |= told
        print(results, flush=True)
    write_text(OUT, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first"]:
        first_answer(Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        main()
