"""What was asked for last is kept, and no more than may be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from smar.serving.kept import Kept

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=60)


@given(STEPS, st.integers(1, 5))
def test_it_keeps_what_was_used_last(steps: list[tuple[bool, int]], most: int) -> None:
    kept: Kept[int, str] = Kept(most)
    used: list[int] = []
    for puts, key in steps:
        if puts:
            kept.put(key, str(key))
        found = kept.get(key)
        assert found == (str(key) if puts or key in used[-most:] else None)
        if found is not None:
            used = [other for other in used if other != key] + [key]
        assert len(kept) == min(len(used), most)


def test_threads_may_use_it_at_once() -> None:
    kept: Kept[int, int] = Kept(50)

    def use(start: int) -> bool:
        for number in range(start, start + 2_000):
            kept.put(number % 100, number % 100)
            if kept.get(number % 70) not in (None, number % 70):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(4)))
    assert len(kept) == 50
