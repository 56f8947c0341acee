"""Remembers the vectors of frequent queries. Knows something that embeds; nothing of HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from smar.retrieval.engine import QueryVectors
from smar.retrieval.vectors import Vectors
from smar.serving.kept import Kept


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
        self._known: Kept[str, tuple[Vectors, float]] = Kept(remembered)

    def __len__(self) -> int:
        return len(self._known)

    def embed_queries(self, texts: Sequence[str]) -> Embedded:
        """Embed normalised queries, in their order."""
        found = {text: known for text in texts if (known := self._known.get(text)) is not None}
        fresh = [text for text in dict.fromkeys(texts) if text not in found]
        if fresh:
            embedded = self._model.embed_queries(fresh)
            for text, vector, gate in zip(fresh, embedded.vectors, embedded.gate.tolist(), strict=True):
                found[text] = vector, gate
                self._known.put(text, found[text])
        vectors, gates = zip(*(found[text] for text in texts), strict=True)
        return Embedded(np.stack(vectors), np.array(gates, np.float32))
