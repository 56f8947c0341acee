"""Inverted lists: what they overlook, filters, and lists that are changed in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval_fakes import random_units
from smar.retrieval.engines.faiss import FaissIndex
from smar.retrieval.index import IndexConfig, recall_against_exact

IVF = IndexConfig(kind="ivf", probes=12, candidates=64, exact_below=0)
EXACT = IndexConfig()


def clustered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around 40 centres, as items are around categories."""
    random = np.random.default_rng(seed)
    vectors = random_units(40, 32, 1)[random.integers(0, 40, count)] + random.normal(0, 0.1, (count, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_little_is_overlooked_though_codes_have_8_bits() -> None:
    vectors, queries = clustered(3000), clustered(50, seed=2)
    index, exact = FaissIndex.build(vectors, IVF), FaissIndex.build(vectors, EXACT)
    assert recall_against_exact(index, exact, queries, 20) > 0.95
    found, truth = index.search(queries, 20), exact.search(queries, 20)
    same = found.rows[:, 0] == truth.rows[:, 0]
    assert same.mean() > 0.9
    assert (found.scores[same, 0] == truth.scores[same, 0]).all()


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5])
def test_a_filter_has_more_cells_looked_into(share: float) -> None:
    vectors, queries = clustered(3000), clustered(50, seed=2)
    allowed = np.random.default_rng(0).random(3000) < share
    found = FaissIndex.build(vectors, IVF).search(queries, 20, allowed)
    truth = FaissIndex.build(vectors, EXACT).search(queries, 20, allowed)
    assert allowed[found.rows].all()
    assert (found.scores >= truth.scores[:, -1:]).mean() > 0.97


def test_changed_lists_find_what_new_lists_find(tmp_path: Path) -> None:
    vectors, queries = clustered(3000), clustered(40, seed=2)
    built = FaissIndex.build(vectors, IVF)
    built.save(tmp_path / "text")
    old = FaissIndex.load(tmp_path / "text", vectors)
    # Rows 5 and 7 go, 100 changes, 30 come in at the front: every row moves.
    later = np.concatenate([clustered(30, seed=9), np.delete(vectors, [5, 7], axis=0)])
    later[30 + 98] = clustered(1, seed=10)[0]
    moved = np.arange(3000) + 30 - (np.arange(3000) > 5) - (np.arange(3000) > 7)
    moved[[5, 7, 100]] = -1
    changed = old.changed_to(later, moved)
    assert changed.changed == 3 + 31
    exact = FaissIndex.build(later, EXACT)
    assert recall_against_exact(changed, exact, queries, 20) > 0.95
    itself = changed.search(later[[0, 29, 30 + 98, 500]], 1).rows[:, 0]
    assert itself.tolist() == [0, 29, 128, 500]
    # The lists it came from are as they were.
    np.testing.assert_array_equal(old.search(queries, 20).rows, built.search(queries, 20).rows)
    changed.save(tmp_path / "changed")
    back = FaissIndex.load(tmp_path / "changed", later)
    assert back.changed == 34
    np.testing.assert_array_equal(back.search(queries, 20).rows, changed.search(queries, 20).rows)


def test_after_many_changes_cells_are_learnt_anew() -> None:
    vectors = clustered(1000)
    moved = np.arange(1000)
    moved[:150] = -1
    later = vectors.copy()
    later[:150] = clustered(150, seed=3)
    assert FaissIndex.build(vectors, IVF).changed_to(later, moved).changed == 0
    graph = FaissIndex.build(vectors, IndexConfig(kind="hnsw")).changed_to(later, moved)
    assert graph.search(later[:3], 1).rows[:, 0].tolist() == [0, 1, 2]


def test_everything_new_is_as_built_from_nothing() -> None:
    later = clustered(500, seed=4)
    changed = FaissIndex.build(clustered(300), IVF).changed_to(later, np.full(300, -1))
    assert changed.search(later[:2], 1).rows[:, 0].tolist() == [0, 1]
