"""The indexes against numpy's whole sort and against faiss's own flat index."""

from __future__ import annotations

from typing import Any

import faiss as library
import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval_fakes import random_units
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig, recall_against_exact

faiss: Any = library


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """4,000 vectors around 100 centres, as products are around their kinds."""
    spread = random_units(100, 48)[np.arange(4000) % 100] + 0.6 * random_units(4000, 48, seed=1)
    return np.asarray(spread / np.linalg.norm(spread, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def queries(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    near = vectors[::40] + 0.5 * random_units(100, 48, seed=2)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("share", [None, 0.6, 0.01])
def test_exact_search_is_the_sorted_product_of_numpy(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], share: float | None
) -> None:
    allowed = None if share is None else np.random.default_rng(3).random(4000) < share
    found = FaissIndex.build(vectors, IndexConfig()).search(queries, 25, allowed)
    products = queries.astype(np.float64) @ vectors.astype(np.float64).T
    if allowed is not None:
        products[:, ~allowed] = -np.inf
    np.testing.assert_array_equal(found.rows, np.argsort(-products, axis=1, kind="stable")[:, :25])
    np.testing.assert_allclose(found.scores, -np.sort(-products, axis=1)[:, :25], rtol=1e-6)


def test_exact_search_agrees_with_the_flat_index_of_faiss(
    vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> None:
    flat = faiss.IndexFlatIP(48)
    flat.add(vectors)
    scores, rows = flat.search(queries, 25)
    found = FaissIndex.build(vectors, IndexConfig()).search(queries, 25)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.15])
def test_hnsw_finds_nearly_all_that_an_exact_search_finds(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], share: float
) -> None:
    config = IndexConfig(kind="hnsw", links=16, ef_construction=80, ef_search=64, exact_below=0.1)
    allowed = np.random.default_rng(4).random(4000) < share
    exact, graph = (FaissIndex.build(vectors, settings) for settings in (IndexConfig(), config))
    assert recall_against_exact(graph, exact, queries, 20) > 0.97
    truth, found = (index.search(queries, 20, allowed) for index in (exact, graph))
    assert (found.scores >= truth.scores[:, -1:]).mean() > 0.97


def test_hnsw_scores_what_it_finds_with_the_bits_of_the_exact_search(
    vectors: NDArray[np.float32], queries: NDArray[np.float32]
) -> None:
    exact, graph = (
        FaissIndex.build(vectors, IndexConfig.check({"kind": kind}, "test")) for kind in ("exact", "hnsw")
    )
    whole, found = exact.search(queries, 4000), graph.search(queries, 20)
    for query, rows in enumerate(found.rows):
        by_row = dict(zip(whole.rows[query].tolist(), whole.scores[query].tolist(), strict=True))
        assert [by_row[row] for row in rows.tolist()] == found.scores[query].tolist()
