"""Our intervals and p-values against scipy's on the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from smar.evaluation.compare import Difference
from smar.evaluation.resampling import bootstrap_intervals, randomisation_p


@pytest.mark.parametrize("seed", range(4))
def test_the_exact_p_is_that_of_scipy(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.4, 1.0, 10)
    theirs = stats.permutation_test(
        (differences, np.zeros(10)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert randomisation_p(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_drawn_p_is_near_the_one_of_a_normal_mean() -> None:
    differences = np.random.default_rng(5).normal(0.05, 1.0, 2000)
    assert randomisation_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_the_t_test_is_that_of_scipy() -> None:
    generator = np.random.default_rng(6)
    a, b = generator.random(50), generator.random(50)
    assert Difference.build(a, b).p_t_test == pytest.approx(stats.ttest_1samp(b - a, 0).pvalue)


def test_the_interval_is_near_the_percentile_interval_of_scipy() -> None:
    values = np.random.default_rng(7).beta(0.5, 1.0, 500)
    low, high = bootstrap_intervals(values[:, None])[:, 0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(8)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert low == pytest.approx(theirs.low, abs=0.1 * width)
    assert high == pytest.approx(theirs.high, abs=0.1 * width)
