from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval_fakes import random_units
from smar.errors import ConfigError, DataError, MismatchError, QueryError
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig, recall_against_exact

EXACT = IndexConfig()
HNSW = IndexConfig(kind="hnsw", links=8, ef_construction=40, ef_search=32, exact_below=0.1)


def test_equal_vectors_come_in_the_order_of_their_rows() -> None:
    vectors = np.repeat(random_units(3, 16), 40, axis=0)
    found = FaissIndex.build(vectors, EXACT).search(vectors[45:46], 50)
    assert found.rows[0, :40].tolist() == list(range(40, 80))
    assert (found.scores[0, :40] == found.scores[0, 0]).all()


def test_a_tie_across_the_last_place_goes_to_the_lower_rows() -> None:
    vectors = np.repeat(random_units(1, 384), 1000, axis=0)
    found = FaissIndex.build(vectors, EXACT).search(vectors[:1], 7)
    assert found.rows.tolist() == [[0, 1, 2, 3, 4, 5, 6]]


def test_more_hits_than_rows_gives_every_row() -> None:
    vectors = random_units(9, 8)
    for config in (EXACT, HNSW):
        found = FaissIndex.build(vectors, config).search(vectors[:2], 100)
        assert found.rows.shape == (2, 9)
        assert sorted(found.rows[0].tolist()) == list(range(9))


def test_a_filter_that_lets_nothing_pass_gives_no_hits() -> None:
    vectors = random_units(50, 8)
    for config in (EXACT, HNSW):
        found = FaissIndex.build(vectors, config).search(vectors[:3], 5, np.zeros(50, np.bool_))
        assert found.rows.shape == found.scores.shape == (3, 0)


def test_no_queries_give_no_rows() -> None:
    found = FaissIndex.build(random_units(50, 8), HNSW).search(random_units(0, 8), 5)
    assert found.rows.shape == (0, 5)


def test_a_query_scores_the_same_alone_and_in_a_batch_and_under_a_filter() -> None:
    vectors, queries = random_units(3000, 64), random_units(70, 64, seed=1)
    index = FaissIndex.build(vectors, EXACT)
    together = index.search(queries, 20)
    allowed = np.zeros(3000, np.bool_)
    allowed[together.rows[7]] = True
    for alone in (index.search(queries[7:8], 20), index.search(queries[7:8], 20, allowed)):
        assert alone.rows[0].tolist() == together.rows[7].tolist()
        assert alone.scores[0].tobytes() == together.scores[7].tobytes()


@pytest.mark.parametrize("share", [0.7, 0.3, 0.02])
def test_hnsw_never_returns_what_a_filter_excludes_nor_too_little(share: float) -> None:
    vectors, queries = random_units(2000, 16), random_units(20, 16, seed=1)
    allowed = np.random.default_rng(2).random(2000) < share
    found = FaissIndex.build(vectors, HNSW).search(queries, 30, allowed)
    assert found.rows.shape == (20, 30)
    assert allowed[found.rows].all()
    assert all(len(set(rows)) == 30 for rows in found.rows.tolist())


def test_hnsw_scans_when_a_filter_leaves_only_what_is_far_from_the_query() -> None:
    near, far = random_units(1500, 8), random_units(500, 8, seed=1)
    near[:, 0], far[:, 0] = 8, -8
    vectors = np.concatenate([near, far])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    allowed = np.arange(2000) >= 1500
    exact = FaissIndex.build(vectors, EXACT).search(vectors[:5], 10, allowed)
    found = FaissIndex.build(vectors, HNSW).search(vectors[:5], 10, allowed)
    np.testing.assert_array_equal(found.rows, exact.rows)


def test_without_a_setting_a_filter_is_scanned_where_that_looks_at_fewer_vectors() -> None:
    vectors, queries = random_units(3000, 4), random_units(200, 4, seed=1)
    rough = {"kind": "hnsw", "links": 2, "ef_construction": 4, "ef_search": 12}
    allowed = np.random.default_rng(2).random(3000) < 0.15  # 450 of 3000; a walk would keep 160 candidates
    exact = FaissIndex.build(vectors, EXACT).search(queries, 12, allowed)
    walked, scanned = (
        FaissIndex.build(vectors, IndexConfig.check({**rough, "links": links}, where="test"))
        for links in (2, 3)
    )
    assert (walked.search(queries, 12, allowed).rows != exact.rows).any()
    assert (scanned.search(queries, 12, allowed).rows == exact.rows).all()


def test_hnsw_is_exact_above_ef_search_hits() -> None:
    vectors, queries = random_units(500, 16), random_units(5, 16, seed=1)
    exact = FaissIndex.build(vectors, EXACT).search(queries, 33)
    found = FaissIndex.build(vectors, HNSW).search(queries, 33)
    np.testing.assert_array_equal(found.rows, exact.rows)


@pytest.mark.parametrize("config", [EXACT, HNSW], ids=["exact", "hnsw"])
def test_a_loaded_index_answers_as_the_saved_one(config: IndexConfig, tmp_path: Path) -> None:
    vectors, queries = random_units(600, 16), random_units(8, 16, seed=1)
    index = FaissIndex.build(vectors, config)
    index.save(tmp_path / "text")
    back = FaissIndex.load(tmp_path / "text", vectors)
    assert back.config == config
    before, after = index.search(queries, 12), back.search(queries, 12)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.scores, before.scores)


@pytest.mark.parametrize("config", [EXACT, HNSW], ids=["exact", "hnsw"])
def test_an_index_refuses_vectors_it_was_not_built_over(config: IndexConfig, tmp_path: Path) -> None:
    FaissIndex.build(random_units(60, 16), config).save(tmp_path / "text")
    with pytest.raises(MismatchError, match="over 60 vectors of 16 components"):
        FaissIndex.load(tmp_path / "text", random_units(61, 16))


def test_a_damaged_graph_is_a_data_error_in_one_line(tmp_path: Path) -> None:
    vectors = random_units(60, 16)
    FaissIndex.build(vectors, HNSW).save(tmp_path / "text")
    graph = tmp_path / "text" / "graph.faiss"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(DataError, match="holds no readable index") as caught:
        FaissIndex.load(tmp_path / "text", vectors)
    assert "\n" not in str(caught.value)


def test_a_search_that_cannot_be_is_refused() -> None:
    index = FaissIndex.build(random_units(60, 16), EXACT)
    with pytest.raises(QueryError, match="k = 0"):
        index.search(random_units(1, 16), 0)
    with pytest.raises(MismatchError, match="have 16 components"):
        index.search(random_units(1, 17), 5)
    with pytest.raises(MismatchError, match="the index has 60 rows"):
        index.search(random_units(1, 16), 5, np.ones(59, np.bool_))
    with pytest.raises(MismatchError, match="not finite"):
        index.search(np.full((1, 16), np.nan, np.float32), 5)


def test_recall_is_one_for_an_exact_index_and_high_for_a_good_graph() -> None:
    vectors, queries = random_units(1500, 16), random_units(50, 16, seed=1)
    exact = FaissIndex.build(vectors, EXACT)
    assert recall_against_exact(exact, exact, queries, 10) == 1.0
    assert recall_against_exact(FaissIndex.build(vectors, HNSW), exact, queries, 10) > 0.9


def test_recall_counts_the_share_of_the_exact_hits_that_were_found() -> None:
    vectors = np.eye(4, dtype=np.float32)
    queries = np.array([[0.8, 0.6, 0, 0]], np.float32)
    exact = FaissIndex.build(vectors, EXACT)
    overlooks = FaissIndex.build(np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32), EXACT)
    assert recall_against_exact(overlooks, exact, queries, 2) == 0.5


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="exact_below = 2"):
        IndexConfig.check({"exact_below": 2}, where="test")
