"""Embeds queries of concurrent requests together, and remembers frequent ones. Knows a model; nothing of HTTP."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import numpy as np

from smar.retrieval.engine import QueryVectors
from smar.retrieval.vectors import Vectors

_AT_ONCE = 32


class QueryEmbedder(Protocol):
    """What embeds: `smar.model.SMAR` is one."""

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Embed normalised queries, in their order."""


class Embedded(NamedTuple):
    """Vectors [query, dim] and gates [query] of some queries."""

    vectors: Vectors
    gate: Vectors


class BatchingEmbedder:
    """Hands queries to the model in batches of all that wait, one batch at a time, and keeps the last `remembered`.

    While the model is busy with one batch the next gathers; an idle model starts at once.
    """

    def __init__(self, model: QueryEmbedder, remembered: int = 10_000) -> None:
        self._model = model
        self._remembered = remembered
        self._known: OrderedDict[str, tuple[Vectors, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[str, Future[tuple[Vectors, float]]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._work, name="embed queries", daemon=True)
        self._thread.start()

    def embed_queries(self, texts: Sequence[str]) -> Embedded:
        """Embed normalised queries, in their order."""
        found = [self._remember(text) for text in texts]
        rows = [future.result() for future in found]
        return Embedded(
            np.stack([vector for vector, _ in rows]), np.array([gate for _, gate in rows], np.float32)
        )

    def close(self) -> None:
        """Stop; what waits is still answered."""
        self._waiting.put(None)
        self._thread.join()

    def _remember(self, text: str) -> Future[tuple[Vectors, float]]:
        future: Future[tuple[Vectors, float]] = Future()
        with self._lock:
            known = self._known.get(text)
            if known is not None:
                self._known.move_to_end(text)
        if known is not None:
            future.set_result(known)
        else:
            self._waiting.put((text, future))
        return future

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            is_last = False
            while len(batch) < _AT_ONCE and not self._waiting.empty():
                more = self._waiting.get()
                if more is None:
                    is_last = True
                    break
                batch.append(more)
            self._embed(batch)
            if is_last:
                return

    def _embed(self, batch: Sequence[tuple[str, Future[tuple[Vectors, float]]]]) -> None:
        texts = list(dict.fromkeys(text for text, _ in batch))
        try:
            embedded = self._model.embed_queries(texts)
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        rows = dict(zip(texts, zip(embedded.vectors, embedded.gate.tolist(), strict=True), strict=True))
        with self._lock:
            for text, row in rows.items():
                self._known[text] = row
                if len(self._known) > self._remembered:
                    self._known.popitem(last=False)
        for text, future in batch:
            future.set_result(rows[text])
