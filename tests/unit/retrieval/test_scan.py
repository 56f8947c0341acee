from __future__ import annotations

import numpy as np

from retrieval_fakes import random_units
from smar.retrieval.scan import Side, scan, settle


def test_candidates_that_rounding_put_in_the_wrong_order_are_put_right() -> None:
    vectors = np.repeat(random_units(1, 32), 10, axis=0)
    coarse = np.float32(1) + np.array([-3, 2, 0, 1, 3, -1, 2, 3, -2, 1], np.float32) * np.float32(2**-22)
    scores, rows = settle([Side(vectors[:1], vectors)], 0, coarse, np.arange(10), 4)
    assert rows.tolist() == [0, 1, 2, 3]
    assert (scores == scores[0]).all()


def test_what_is_far_from_the_last_place_is_not_scored_again() -> None:
    vectors, query = np.eye(4, dtype=np.float32), np.array([[0.8, 0.6, 0, 0]], np.float32)
    lies = np.array([0.8, 0.6, 0.1, 0.59], np.float32)
    assert settle([Side(query, vectors)], 0, lies, np.arange(4), 2)[1].tolist() == [0, 1]


def test_a_score_is_the_sum_over_the_sides() -> None:
    text, image = random_units(30, 8), random_units(30, 8, seed=1)
    queries = random_units(3, 8, seed=2)
    found = scan([Side(queries, text), Side(-queries, image)], 30)
    for query in range(3):
        expected = text[found.rows[query]] @ queries[query] - image[found.rows[query]] @ queries[query]
        np.testing.assert_allclose(found.scores[query], expected, atol=1e-6)


def test_the_best_rows_are_found_across_blocks_dense_and_sparse() -> None:
    vectors = random_units(140_000, 4)
    allowed = np.random.default_rng(3).random(140_000) < np.where(np.arange(140_000) < 70_000, 0.9, 0.1)
    query = random_units(2, 4, seed=4)
    found = scan([Side(query, vectors)], 5, allowed)
    products = query.astype(np.float64) @ vectors.T.astype(np.float64)
    products[:, ~allowed] = -np.inf
    np.testing.assert_array_equal(found.rows, np.argsort(-products, axis=1, kind="stable")[:, :5])
