"""Remembers the vectors of frequent queries. Knows something that embeds; nothing of HTTP."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from smar.retrieval.engine import QueryVectors
from smar.retrieval.vectors import Vectors


class QueryEmbedder(Protocol):
    """What embeds: `smar.model.compiled.CompiledQueries` is one, `smar.model.SMAR` another."""

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Embed normalised queries, in their order; from several threads at once."""


class Embedded(NamedTuple):
    """Vectors [query, dim] and gates [query] of some queries."""

    vectors: Vectors
    gate: Vectors


class RememberingEmbedder:
    """Embeds queries, and keeps the vectors of the last `remembered` ones."""

    def __init__(self, model: QueryEmbedder, remembered: int = 10_000) -> None:
        self._model = model
        self._remembered = remembered
        self._known: OrderedDict[str, tuple[Vectors, float]] = OrderedDict()
        self._lock = threading.Lock()

    def embed_queries(self, texts: Sequence[str]) -> Embedded:
        """Embed normalised queries, in their order."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
            for text in found:
                self._known.move_to_end(text)
        fresh = [text for text in dict.fromkeys(texts) if text not in found]
        if fresh:
            found |= self._embed(fresh)
        vectors, gates = zip(*(found[text] for text in texts), strict=True)
        return Embedded(np.stack(vectors), np.array(gates, np.float32))

    def _embed(self, texts: Sequence[str]) -> dict[str, tuple[Vectors, float]]:
        embedded = self._model.embed_queries(texts)
        rows = dict(zip(texts, zip(embedded.vectors, embedded.gate.tolist(), strict=True), strict=True))
        with self._lock:
            self._known |= rows
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return rows
