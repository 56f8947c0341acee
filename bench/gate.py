"""What the gate costs a query: the compiled query tower with it and without it, beside a whole search.

    python bench/gate.py RUN SHOP

In turns, as often as the shop has judged queries: the run's compiled tower on one thread over a query of seven tokens,
the same graph without the nodes that only the gate needs, these nodes alone on the finished vector (with a call of
their own, which they do not need in the tower), and a search for a judged query's 50 items in the run's
index, as it is (an exact one takes every core). Medians over queries of the medians of six turns. Needs
`pip install 'smar[bench]'` and a run that `smar index` has indexed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
from machine import describe

from smar.data.clicks import normalise_query
from smar.data.shop import Shop
from smar.files import write_text
from smar.model.compiled import FOLDER, GRAPH
from smar.retrieval.engine import SearchEngine

OUT = Path(__file__).parent / "results" / "gate.json"
ROUNDS = 6
LENGTH = 7
K = 50


def session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Runs a graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def inputs_of(tower: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """A query of `LENGTH` tokens, and a sketch of its spelling if the tower takes one."""
    random = np.random.default_rng(0)
    given: dict[str, np.ndarray] = {"ids": random.integers(1000, 20_000, (1, LENGTH))}
    for one in tower.get_inputs():
        if one.name == "sketch":
            given["sketch"] = random.normal(size=(1, one.shape[1])).astype(np.float32)
    return given


def microseconds(call: Callable[[], object]) -> float:
    """What a call takes."""
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1000


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("run", type=Path)
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--split", default="dev")
    given = arguments.parse_args()

    graph = onnx.load(str(given.run / FOLDER / GRAPH))
    names = [one.name for one in graph.graph.input]
    whole = session(graph)
    without = onnx.utils.Extractor(graph).extract_model(names, [graph.graph.output[0].name])
    bare = session(without)
    vector, gate = (output.name for output in graph.graph.output)
    alone = session(onnx.utils.Extractor(graph).extract_model([vector], [gate]))
    asked = inputs_of(whole)
    finished = {vector: whole.run([vector], asked)[0]}
    engine = SearchEngine.open(given.run)
    texts = [normalise_query(query.text) for query in Shop.open(given.shop).queries(given.split)]

    taken: dict[str, list[list[float]]] = {
        "with the gate": [],
        "without it": [],
        "its nodes alone": [],
        "a whole search": [],
    }
    for text in texts:
        turns: dict[str, list[float]] = {name: [] for name in taken}
        for number in range(ROUNDS):
            turns["a whole search"].append(microseconds(lambda: engine.search(text, k=K)))  # noqa: B023
            towers = [("with the gate", whole), ("without it", bare)]
            # Each in turn comes first, and neither straight after the search, which leaves it nothing in the caches.
            whole.run(None, asked)
            bare.run(None, asked)
            for name, tower in towers[:: 1 if number % 2 else -1]:
                turns[name].append(microseconds(lambda: tower.run(None, asked)))  # noqa: B023
            turns["its nodes alone"].append(microseconds(lambda: alone.run(None, finished)))
        for name, each in turns.items():
            taken[name].append(each)
    medians = {name: [median(each) for each in every] for name, every in taken.items()}
    cost = median(
        one - other for one, other in zip(medians["with the gate"], medians["without it"], strict=True)
    )
    search = median(medians["a whole search"])
    results = {
        "machine": describe("onnxruntime"),
        "queries": len(texts),
        "nodes": {"with the gate": len(graph.graph.node), "without it": len(without.graph.node)},
        "microseconds": {name: round(median(every), 1) for name, every in medians.items()},
        "gate_microseconds_by_difference": round(cost, 1),
        "share_of_a_search": round(cost / search, 4),
    }
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
