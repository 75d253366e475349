"""Whether two measures put things in one order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's correlation of two lists (N,): 1 where both rise together, -1 where one falls; NaN of a constant."""
    return float(stats.spearmanr(one, other).statistic)
