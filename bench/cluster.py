"""What a search in Milvus takes, beside the same on this machine, and what eight clients see when a node is lost.

    python bench/cluster.py RUN SHOP milvus://HOST:PORT?replicas=2 [--kill COMMAND --start COMMAND --pause 45]

Fills a collection with the vectors of RUN's current index (which is on this machine), asks SHOP's judged queries, and
drops the collection again. With the two commands, of which one kills a query node and the other starts it again
`--pause` seconds later, eight clients search all the while. An answer is wrong if it has less than nine tenths of the
items that the same query found before; the worst that can happen is one that is wrong and says that all was searched.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import describe

from smar.data.shop import Shop
from smar.errors import Unavailable
from smar.files import write_text
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.engines.milvus.filling import Filling
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.selection import Selection

OUT = Path(__file__).parent / "results" / "cluster.json"
K = 50
CLIENTS = 8
SECONDS_AFTER = 45.0


class Answer(NamedTuple):
    """When an answer came, what it took, and how much of what it should have found it has."""

    at: float
    seconds: float
    coverage: float
    right: float


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds at the median, at 99 of 100, and at most."""
    middle, late, most = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1e3
    return {
        "p50_ms": round(float(middle), 1),
        "p99_ms": round(float(late), 1),
        "most_ms": round(float(most), 1),
    }


def filters(engine: SearchEngine, vectors: np.ndarray) -> list[dict[str, float]]:
    """Searches of which some categories let about a share of the items pass."""
    counts = (
        engine.catalog.table["category"].drop_nulls().value_counts().sample(fraction=1, shuffle=True, seed=0)
    )
    found = []
    for share in (0.01, 0.1, 0.5):
        chosen = counts.filter(counts["count"].cum_sum() <= max(share * len(engine), counts["count"][0]))
        selection = Selection.of(engine.catalog, {"category": chosen["category"].to_list()})
        took = []
        for vector in vectors:
            began = time.perf_counter()
            engine.indexes.nearest("multimodal", vector[None], np.ones(1, np.float32), K, selection)
            took.append(time.perf_counter() - began)
        found.append({"passes": round(selection.count / len(engine), 3), **quantiles(took)})
    return found


class Clients:
    """Threads that search for queries again and again, and note what became of each search."""

    def __init__(self, engine: SearchEngine, embedded: list, truth: list[set[int]]) -> None:  # type: ignore[type-arg]
        self.answers: list[Answer] = []
        self._began, self._stop = time.monotonic(), threading.Event()

        def search(place: int) -> None:
            while not self._stop.is_set():
                began = self.now
                try:
                    (found,) = engine.nearest(embedded[place], K)
                    right = len(truth[place] & set(found.rows.tolist())) / len(truth[place])
                    answer = Answer(self.now, self.now - began, found.coverage, right)
                except Unavailable:
                    answer = Answer(self.now, self.now - began, 0.0, 0.0)
                self.answers.append(answer)
                place = (place + 1) % len(embedded)

        places = range(0, len(embedded), max(1, len(embedded) // CLIENTS))
        self._threads = [threading.Thread(target=search, args=(place,)) for place in list(places)[:CLIENTS]]
        for thread in self._threads:
            thread.start()

    @property
    def now(self) -> float:
        """Seconds since they began."""
        return time.monotonic() - self._began

    def end(self) -> None:
        """Wait for their last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def seen(self, since: float, until: float) -> dict[str, object]:
        """What came of the searches that ended in some seconds."""
        answers = [one for one in self.answers if since <= one.at < until]
        partial = [one for one in answers if one.coverage < 1]
        return {
            "seconds": round(until - since, 1),
            "answers": len(answers),
            **quantiles([one.seconds for one in answers]),
            "not_answered": sum(one.coverage == 0 for one in answers),
            "said_not_to_be_whole": len(partial),
            "least_coverage": round(min((one.coverage for one in answers), default=1.0), 3),
            "wrong": sum(one.right < 0.9 for one in answers),
            "wrong_and_said_to_be_whole": sum(one.right < 0.9 and one.coverage == 1 for one in answers),
            "last_not_whole_after_s": round(max((one.at - since for one in partial), default=0.0), 1),
        }


def main() -> None:
    """Measure, print and keep."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("engine")
    arguments.add_argument("--kill")
    arguments.add_argument("--start")
    arguments.add_argument("--pause", type=float, default=45.0)
    given = arguments.parse_args()
    here = SearchEngine.open(given.run)
    assert isinstance(here.indexes, ItemIndexes)
    vectors, address = here.indexes.vectors, MilvusAddress.parse(given.engine)
    texts = here.read([query.text for query in Shop.open(given.shop).queries("dev")])
    embedded = [here.model.embed_queries([text]) for text in dict.fromkeys(texts)]
    asked = np.concatenate([one.vectors for one in embedded[:64]])
    exact = SearchEngine(here.model, ItemIndexes.build(vectors, IndexConfig()), here.catalog)
    config = IndexConfig(kind="hnsw")
    found: dict[str, object] = {"items": len(vectors), "dim": vectors.dim, "index": config.kind}
    with tempfile.TemporaryDirectory() as folder, Filling(address, Path(folder), "bench") as filling:
        began = time.monotonic()
        there = SearchEngine(here.model, filling.fill(vectors, here.catalog, config, asked), here.catalog)
        found["fill_s"] = round(time.monotonic() - began, 1)
        truth = [set(one.rows.tolist()) for query in embedded for one in exact.nearest(query, K)]
        took, shares = [], []
        rounds: dict[str, list[float]] = {"here": [], "milvus": []}
        for query, rows in zip(embedded, truth, strict=True):
            for name, engine in (("here", here), ("milvus", there)):
                began = time.perf_counter()
                (hits,) = engine.nearest(query, K)
                rounds[name].append(time.perf_counter() - began)
                if name == "milvus":
                    took.append(rounds[name][-1])
                    shares.append(len(rows & set(hits.rows.tolist())) / len(rows))
        found["queries"] = len(took)
        found["recall_at_50_of_exact"] = round(statistics.mean(shares), 4)
        found["one_client"] = {name: quantiles(times) for name, times in rounds.items()}
        found["filtered"] = filters(there, asked)
        before = [set(one.rows.tolist()) for query in embedded[:400] for one in there.nearest(query, K)]
        clients = Clients(there, embedded[:400], before)
        time.sleep(10)
        if given.kill and given.start:
            marks = [("before", 0.0), ("killed", clients.now)]
            subprocess.run(shlex.split(given.kill), check=True)
            time.sleep(given.pause)
            marks.append(("started again", clients.now))
            subprocess.run(shlex.split(given.start), check=True)
            time.sleep(SECONDS_AFTER)
        else:
            marks = [("before", 0.0)]
        ends = [at for _, at in marks[1:]] + [clients.now]
        clients.end()
        found["eight_clients"] = {
            name: clients.seen(at, until) for (name, at), until in zip(marks, ends, strict=True)
        }
    found["machine"] = describe("pymilvus", "faiss-cpu", "numpy")
    text = json.dumps(found, indent=2)
    print(text)
    write_text(OUT, text + "\n")


if __name__ == "__main__":
    main()
