from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from smar.data.features import FeatureStore, planned_bytes
from smar.data.features_fill import fill
from smar.data.features_index import RECORD
from smar.files import digest

WIDTH = 3
NAMES = st.integers(0, 30)


def key(name: int) -> str:
    return digest(str(name))


def states(name: int) -> np.ndarray:
    rng = np.random.default_rng(name)
    return rng.standard_normal((name % 4, WIDTH)).astype(np.float16)


class ATornStore(RuleBasedStateMachine):
    """A store that is written, reopened, cut at any byte and given any tail, against a list of names."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name) / "store"
        self.stored: list[int] = []
        self.lost_states = False
        self.store = self.opened()

    def teardown(self) -> None:
        self.scratch.cleanup()

    def opened(self) -> FeatureStore:
        return FeatureStore.open(self.folder, "some encoder", WIDTH)

    @rule(names=st.lists(NAMES, max_size=6))
    def append(self, names: list[int]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self.stored]
        assert self.store.append([key(name) for name in names], [states(name) for name in names]) == len(new)
        self.stored += new
        self.lost_states &= not new

    @rule(names=st.lists(NAMES, max_size=12), batch=st.integers(1, 4))
    def fill(self, names: list[int], batch: int) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self.stored]
        asked: list[int] = []

        def encode(positions: list[int]) -> list[np.ndarray]:
            asked.extend(names[position] for position in positions)
            return [states(names[position]) for position in positions]

        report = fill(self.store, [key(name) for name in names], encode, batch, "states")
        assert asked == new
        assert report.added == len(new)
        self.stored += new
        self.lost_states &= not new

    @rule()
    def reopen(self) -> None:
        self.store = self.opened()

    @rule(cut=st.integers(0, 200))
    def lose_the_end_of_the_index(self, cut: int) -> None:
        kept = max(0, len(self.stored) * RECORD.itemsize - cut)
        os.truncate(self.folder / "keys.bin", kept)
        self.stored = self.stored[: kept // RECORD.itemsize]
        self.reopen()

    @rule(cut=st.integers(0, 100))
    def lose_the_end_of_the_states(self, cut: int) -> None:
        ends = np.cumsum([planned_bytes(len(states(name)), WIDTH) for name in self.stored])
        kept = max(0, int(ends[-1]) - cut) if self.stored else 0
        os.truncate(self.folder / "states.bin", kept)
        whole = self.stored[: int((ends <= kept).sum())]
        self.lost_states |= len(whole) < len(self.stored)
        self.stored = whole
        self.reopen()

    @rule(
        tail=st.binary(max_size=60),
        zeros=st.integers(0, 60),
        name=st.sampled_from(["keys.bin", "states.bin"]),
    )
    def find_a_torn_tail(self, tail: bytes, zeros: int, name: str) -> None:
        if self.lost_states:
            return  # bytes in the place of lost ones are no tail, and nothing tells them from the lost
        with (self.folder / name).open("ab") as file:
            file.write(tail + bytes(zeros))
        self.reopen()

    @invariant()
    def holds_whole_and_correct_records_only(self) -> None:
        for store in (self.store, self.opened()):
            keys = [key(name) for name in range(31)]
            expected = [self.stored.index(name) if name in self.stored else -1 for name in range(31)]
            assert store.lookup(keys).tolist() == expected
            assert store.missing(keys) == [name for name in range(31) if name not in self.stored]
            found = store.read(range(len(store)))
            gathered, mask = store.gather(range(len(store)))
            assert len(store) == len(found) == len(self.stored)
            for entry, name in enumerate(self.stored):
                np.testing.assert_array_equal(found[entry], states(name))
                np.testing.assert_array_equal(gathered[entry][mask[entry]], states(name))


TestATornStore = ATornStore.TestCase
TestATornStore.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=20),
    order=st.randoms(use_true_random=False),
    batches=st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_the_order_and_the_batch_size_of_a_fill_change_no_content(
    names: list[int], order: object, batches: tuple[int, int]
) -> None:
    shuffled = list(names)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as scratch:
        found = []
        for number, (some, batch) in enumerate(zip((names, shuffled), batches, strict=True)):
            store = FeatureStore.open(Path(scratch) / str(number), "some encoder", WIDTH)
            fill(
                store,
                [key(name) for name in some],
                lambda at, some=some: [states(some[i]) for i in at],
                batch,
                "x",
            )
            found.append(store.read(store.lookup([key(name) for name in names])))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)
