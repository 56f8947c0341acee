"""Draws samples again from a column of numbers, to say how sure its mean is.

Knows nothing of queries, measures or runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
PERMUTATIONS = 10_000
CONFIDENCE = 0.95
SEED = 0

# Draws held in memory at once: 4 million indexes are 32 MB.
_MOST_DRAWS = 4_000_000

Floats = npt.NDArray[np.float64]


def bootstrap_intervals(columns: Floats, seed: int = SEED) -> Floats:
    """95 % percentile bootstrap intervals of the means of `columns` [number, column], 2000 seeded resamples.

    Returns low and high ends, [2, column]. All columns share the resamples, so a column's interval does not
    depend on its neighbours; the same numbers in the same order and the same seed give the same interval. It
    always contains the mean.
    """
    number = len(columns)
    generator = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, columns.shape[1]))
    step = max(1, _MOST_DRAWS // number)
    for start in range(0, RESAMPLES, step):
        draws = generator.integers(0, number, size=(min(step, RESAMPLES - start), number))
        for column, values in enumerate(columns.T):
            means[start : start + step, column] = np.ascontiguousarray(values)[draws].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    # Equal values can average to a number one rounding away from them.
    mean = columns.mean(axis=0)
    return np.stack([np.minimum(low, mean), np.maximum(high, mean)])


def randomisation_p(differences: Floats, seed: int = SEED) -> float:
    """Two-sided p of the paired randomisation test that the mean of `differences` [pair] is zero.

    If it makes no difference which of two systems is which, the sign of every difference is a coin toss; p is
    the share of tosses whose mean lies at least as far from zero as the one seen. All tosses are tried where
    these are no more than 10,000 (up to 13 pairs that differ); else 10,000 are drawn, and the one seen is
    counted among them.
    """
    differing = differences[differences != 0]  # a zero stays zero under either sign
    number = len(differing)
    if number == 0:
        return 1.0
    # Sums in another order differ by roundings; a toss that equals the one seen must count as such.
    seen = abs(float(differing.sum())) - 1e-9 * float(np.abs(differing).sum())
    if 2**number <= PERMUTATIONS:
        tosses = (np.arange(2**number)[:, None] >> np.arange(number)) & 1
        return float(np.mean(np.abs((2.0 * tosses - 1.0) @ differing) >= seen))
    generator = np.random.default_rng(seed)
    step = max(1, _MOST_DRAWS // number)
    as_far = 0
    for start in range(0, PERMUTATIONS, step):
        tosses = generator.integers(0, 2, size=(min(step, PERMUTATIONS - start), number), dtype=np.int8)
        as_far += int(np.count_nonzero(np.abs((2.0 * tosses - 1.0) @ differing) >= seen))
    return (as_far + 1) / (PERMUTATIONS + 1)
