"""Choosing the gate's threshold on held-out queries."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smar.experiment.validation import choose_threshold

figures = st.lists(st.tuples(*[st.floats(0, 1, allow_subnormal=False)] * 3), min_size=1, max_size=20)


@given(figures)
def test_the_chosen_threshold_is_the_best_of_all(rows: list[tuple[float, float, float]]) -> None:
    gate, text, multimodal = (np.array(column) * 0.98 + 0.01 for column in zip(*rows, strict=True))

    def routed(threshold: float) -> float:
        return float(np.where(gate >= threshold, multimodal, text).mean())

    choice = choose_threshold(gate, text, multimodal)
    assert np.isclose(choice.routed, routed(choice.threshold))
    assert choice.routed >= max(routed(threshold) for threshold in [0, *gate, 1]) - 1e-12
    assert np.isclose(choice.always, multimodal.mean())
    assert np.isclose(choice.never, text.mean())


def test_without_a_difference_the_image_is_used() -> None:
    same = np.array([0.5, 0.25])
    choice = choose_threshold(np.array([0.2, 0.8]), same, same)
    assert choice.threshold == 0
    assert choice.share_with_image == 1
