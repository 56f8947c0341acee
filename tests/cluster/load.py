"""Clients that search a cluster at once, and what became of each of their searches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retrieval_fakes import FakeItemArrays, FakeQueryVectors, WordModel, random_units
from smar.data.catalog import Catalog
from smar.errors import Unavailable
from smar.retrieval.engine import SearchEngine

K = 10


class RandomModel(WordModel):
    """Vectors that mean nothing and never tie."""

    def embed_queries(self, texts: Sequence[str]) -> FakeQueryVectors:
        vectors = np.concatenate([random_units(1, self.dim, int(text)) for text in texts])
        return FakeQueryVectors(vectors, np.array([int(text) % 2 for text in texts], np.float32))

    def embed_items(self, catalog: Catalog) -> FakeItemArrays:
        count = len(catalog)
        text, multimodal = random_units(count, self.dim, 10**6), random_units(count, self.dim, 10**6 + 1)
        has_image = np.arange(count) % 2 == 0
        return FakeItemArrays(text, np.where(has_image[:, None], multimodal, text), has_image)


def plain_shop(count: int, mark: str = "") -> Catalog:
    """Items with nothing but an id and a title, which ends with `mark`."""
    table = pl.DataFrame(
        {
            "item_id": [f"i{place:06}" for place in range(count)],
            "title": [f"thing {place}{mark}" for place in range(count)],
            "brand": [f"b{place % 10}" for place in range(count)],
        }
    )
    return Catalog.from_table(table, Path("shop"))


class Answer(NamedTuple):
    """What became of a search."""

    at: float
    """Seconds since the clients began."""
    took: float
    coverage: float
    """0 where there was no answer."""
    recall: float


@dataclass
class Clients:
    """What the clients saw until now."""

    began: float = field(default_factory=time.monotonic)
    answers: list[Answer] = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def since(self, at: float) -> list[Answer]:
        return [one for one in list(self.answers) if one.at - one.took >= at]

    def wait_until_whole(self, after: float, for_seconds: float = 3.0, at_most: float = 90.0) -> float:
        """Wait until all answers of some seconds were whole; when they began to be."""
        while self.now < after + at_most:
            time.sleep(0.25)
            partial = [one.at for one in self.since(after) if one.coverage < 1]
            whole_since = max([after, *partial])
            if self.now > whole_since + for_seconds:
                return whole_since
        raise AssertionError(f"no full coverage {at_most} s after {after:.1f} s")


@contextmanager
def clients(engine: SearchEngine, truth: list[set[int]], count: int = 8) -> Iterator[Clients]:
    """Search for the queries "0", "1", ... again and again until the block ends."""
    seen, stop = Clients(), threading.Event()
    embedded = [engine.model.embed_queries([str(query)]) for query in range(len(truth))]

    def search(first: int) -> None:
        query = first
        while not stop.is_set():
            began = seen.now
            try:
                (found,) = engine.nearest(embedded[query], K)
                right = len(truth[query] & set(found.rows.tolist())) / K
                seen.answers.append(Answer(seen.now, seen.now - began, found.coverage, right))
            except Unavailable as error:
                seen.answers.append(Answer(seen.now, seen.now - began, 0.0, 0.0))
                print(f"after {seen.now:.1f} s: {error}")
            query = (query + 1) % len(truth)

    threads = [threading.Thread(target=search, args=(number * 3,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def nearest_rows(engine: SearchEngine, queries: int) -> list[set[int]]:
    """The rows that each query finds."""
    embedded = engine.model.embed_queries([str(query) for query in range(queries)])
    return [set(found.rows.tolist()) for found in engine.nearest(embedded, K)]


def spread(values: Sequence[float]) -> NDArray[np.float64]:
    """Median, 99 of 100, most."""
    return np.quantile(values, [0.5, 0.99, 1.0])
