"""Batches of clicked pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smar.training.pairs import Pairs


def make_pairs(queries: list[int], items: list[int]) -> Pairs:
    texts = [f"query {number}" for number in range(max(queries) + 1)]
    weights = np.ones(len(queries), np.float32)
    return Pairs(texts, np.array(queries, dtype=np.int64), np.array(items, dtype=np.int64), weights)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=30, unique=True),
    st.integers(1, 9),
)
def test_every_epoch_has_every_pair_once_and_knows_exactly_the_log(
    log: list[tuple[int, int]], size: int
) -> None:
    pairs = make_pairs([query for query, _ in log], [item for _, item in log])
    for epoch in range(2):
        seen = []
        for places in pairs.batches(epoch, size, seed=3):
            batch = pairs.batch(places)
            rows = zip(batch.queries[batch.query].tolist(), batch.items[batch.item].tolist(), strict=True)
            seen += list(rows)
            for pair in range(len(batch)):
                for place, item in enumerate(batch.items.tolist()):
                    assert batch.known[pair, place] == ((int(batch.queries[batch.query[pair]]), item) in log)
        assert sorted(seen) == sorted(log)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    pairs = make_pairs(list(range(50)), list(range(50)))
    first = [places.tolist() for places in pairs.batches(0, 8, seed=1)]
    assert first == [places.tolist() for places in pairs.batches(0, 8, seed=1)]
    assert first != [places.tolist() for places in pairs.batches(1, 8, seed=1)]
    assert first != [places.tolist() for places in pairs.batches(0, 8, seed=2)]


def test_an_item_beyond_the_log_is_not_known() -> None:
    pairs = make_pairs([0, 1], [0, 3])
    assert not pairs.knows(np.array([0]), np.array([4, 5])).any()


def test_every_batch_has_its_share_of_pairs_of_own_words_and_they_take_turns() -> None:
    words = ["red", "", "blue shirt", "mug", "query 3", "mug"]
    pairs = make_pairs([0, 1, 2, 3], [0, 1, 0, 2]).with_own_words(words)
    assert len(pairs) == 4
    assert pairs.texts == ["query 0", "query 1", "query 2", "query 3", "red", "blue shirt", "mug"]
    own: list[tuple[str, int]] = []
    for epoch in range(5):
        batches = pairs.batches(epoch, 3, seed=1, own=2)
        assert [len(places) for places in batches] == [5, 3]
        assert sorted(place for places in batches for place in places.tolist() if place < 4) == [0, 1, 2, 3]
        for places in batches:
            batch = pairs.batch(places[-2:])
            own += [
                (pairs.texts[batch.queries[query]], int(batch.items[item]))
                for query, item in zip(batch.query, batch.item, strict=True)
            ]
    assert sorted(own) == sorted([("red", 0), ("blue shirt", 2), ("mug", 3), ("query 3", 4), ("mug", 5)] * 4)
    # Two items of the same words are both right, and so is what shoppers clicked after these words.
    assert pairs.knows(np.array([[6], [3]]), np.arange(6)).tolist() == [
        [False, False, False, True, False, True],
        [False, False, True, False, True, False],
    ]
    assert [places.tolist() for places in pairs.batches(0, 3, seed=1)] == [
        places[: len(places) - 2].tolist() for places in pairs.batches(0, 3, seed=1, own=2)
    ]
