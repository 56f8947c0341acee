"""The laws of `VectorIndex` and of the soft mix, over small collections full of ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval_fakes import random_units
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.vectors import ItemVectors

KINDS = st.sampled_from(["exact", "hnsw", "ivf"])
BELOW = st.sampled_from([None, 0, 0.1])


@dataclass(frozen=True)
class Case:
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    allowed: NDArray[np.bool_] | None
    config: IndexConfig

    @property
    def reachable(self) -> NDArray[np.int64]:
        rows = np.arange(len(self.vectors))
        return rows if self.allowed is None else rows[self.allowed]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few distinct vectors repeated in random order, so that most scores tie with others."""
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    dim, rows = draw(st.sampled_from([2, 16, 48])), draw(st.integers(1, 120))
    distinct = random_units(draw(st.integers(1, rows)), dim, seed)
    vectors = distinct[random.integers(0, len(distinct), rows)]
    queries = np.concatenate([random_units(2, dim, seed + 1), distinct[:1]])
    share = draw(st.sampled_from([None, 0.0, 0.05, 0.5, 0.95]))
    allowed = None if share is None else random.random(rows) < share
    settings = {"kind": draw(KINDS), "links": 4, "ef_construction": 8, "exact_below": draw(BELOW)}
    depth = draw(st.integers(1, 40))
    settings |= {"ef_search": depth, "candidates": depth, "probes": draw(st.integers(1, 9))}
    config = IndexConfig.check(settings, where="test")
    return Case(vectors, queries, allowed, config)


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(1, 130))
def test_hits_are_allowed_distinct_ordered_and_as_many_as_exist(case: Case, k: int) -> None:
    found = FaissIndex.build(case.vectors, case.config).search(case.queries, k, case.allowed)
    assert found.rows.shape == found.scores.shape == (3, min(k, len(case.reachable)))
    for scores, rows in zip(found.scores, found.rows, strict=True):
        assert set(rows) <= set(case.reachable)
        assert len(set(rows)) == len(rows)
        pairs = list(zip(-scores, rows, strict=True))
        assert pairs == sorted(pairs)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 60))
def test_a_search_is_a_prefix_of_the_search_for_one_more(case: Case, k: int) -> None:
    index = FaissIndex.build(case.vectors, case.config)
    if k == index.depth:
        return  # where the documented pause of the law is: the next hit is found by a scan
    shorter, longer = (index.search(case.queries, wanted, case.allowed) for wanted in (k, k + 1))
    reached = shorter.rows.shape[1]
    np.testing.assert_array_equal(shorter.rows, longer.rows[:, :reached])
    np.testing.assert_array_equal(shorter.scores, longer.scores[:, :reached])


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 130))
def test_an_exact_search_is_the_whole_order_cut_short(case: Case, k: int) -> None:
    found = FaissIndex.build(case.vectors, IndexConfig()).search(case.queries, k, case.allowed)
    products = (case.vectors.astype(np.float64) * case.queries.astype(np.float64)[:, None]).sum(axis=2)
    for query, rows in enumerate(found.rows):
        order = sorted(case.reachable, key=lambda row: (-np.float32(products[query, row]), row))
        assert rows.tolist() == order[: len(rows)]


@settings(max_examples=60, deadline=None)
@given(cases(), st.permutations([0, 1, 2]))
def test_a_permuted_batch_gives_the_result_permuted(case: Case, order: list[int]) -> None:
    index = FaissIndex.build(case.vectors, case.config)
    plain, permuted = (
        index.search(queries, 9, case.allowed) for queries in (case.queries, case.queries[order])
    )
    np.testing.assert_array_equal(plain.rows[order], permuted.rows)
    np.testing.assert_array_equal(plain.scores[order], permuted.scores)


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 60), st.integers(0, 2**16))
def test_a_soft_search_is_a_search_of_both_vectors_side_by_side(case: Case, k: int, seed: int) -> None:
    rows, dim = case.vectors.shape
    random = np.random.default_rng(seed)
    has_image = np.array(random.random(rows) < 0.5)
    multimodal = np.where(has_image[:, None], random_units(rows, dim, seed), case.vectors)
    vectors = ItemVectors([str(row) for row in range(rows)], case.vectors, multimodal, has_image, "m", "c")
    gates = random.random(3).astype(np.float32)
    found = ItemIndexes.build(vectors, case.config).soft(case.queries, gates, k, case.allowed)
    assert found.rows.shape == (3, min(k, len(case.reachable)))
    beside = np.concatenate([case.vectors, multimodal], axis=1)
    weighted = np.concatenate([case.queries * (1 - gates)[:, None], case.queries * gates[:, None]], axis=1)
    products = weighted @ beside.T
    np.testing.assert_allclose(found.scores, np.take_along_axis(products, found.rows, axis=1), atol=1e-6)
    if case.config.kind == "exact" and found.rows.size:
        best = -np.sort(-products[:, case.reachable], axis=1)[:, : found.rows.shape[1]]
        np.testing.assert_allclose(found.scores, best, atol=1e-6)
