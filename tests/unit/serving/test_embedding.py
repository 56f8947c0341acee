"""Queries that were embedded before are remembered, the oldest forgotten first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smar.serving.embedding import Embedded, RememberingEmbedder


class Counting:
    """Embeds a text as its length, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed_queries(self, texts: Sequence[str]) -> Embedded:
        self.asked.append(list(texts))
        lengths = np.array([len(text) for text in texts], np.float32)
        return Embedded(lengths[:, None], lengths / 10)


def test_each_query_is_embedded_once_and_answered_in_order() -> None:
    model = Counting()
    embedder = RememberingEmbedder(model)
    first = embedder.embed_queries(["a", "bbb", "a"])
    assert first.vectors[:, 0].tolist() == [1, 3, 1]
    again = embedder.embed_queries(["bbb", "cc"])
    assert again.vectors[:, 0].tolist() == [3, 2]
    assert np.allclose(again.gate, [0.3, 0.2])
    assert model.asked == [["a", "bbb"], ["cc"]]


def test_the_query_that_was_asked_longest_ago_is_forgotten() -> None:
    model = Counting()
    embedder = RememberingEmbedder(model, remembered=2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        embedder.embed_queries([text])
    assert model.asked == [["a"], ["bb"], ["ccc"], ["bb"]]


def test_more_queries_at_once_than_are_remembered_are_all_answered() -> None:
    embedder = RememberingEmbedder(Counting(), remembered=1)
    assert embedder.embed_queries(["a", "bb", "ccc"]).vectors[:, 0].tolist() == [1, 2, 3]
