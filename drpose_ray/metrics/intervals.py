"""Numbers with 95 % bootstrap intervals: how far they depend on whom they were measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

CONFIDENCE: Final = 0.95


class Interval(BaseModel):
    """A number and the ends of its 95 % bootstrap (percentile) interval, all in the number's unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(description="over all poses or people")
    low: float = Field(description="lower end of the interval")
    high: float = Field(description="upper end of the interval")

    def show(self, decimals: int = 2, sign: str = "") -> str:
        """In words: value [low, high]."""
        return f"{self.value:{sign}.{decimals}f} [{self.low:{sign}.{decimals}f}, {self.high:{sign}.{decimals}f}]"


def bootstrap_mean(
    values: NDArray[np.float64], rng: np.random.Generator, num_resamples: int, groups: Sequence[str] | None = None
) -> Interval:
    """Mean of ``values`` (N,); whole ``groups``, a name for each value, are resampled, or by default single values."""
    (resampled,) = resample_means(values[None], rng, num_resamples, groups)
    return interval_around(float(values.mean()), resampled)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], num: int, rng: np.random.Generator, num_resamples: int
) -> Interval:
    """Any number that can be computed of some of ``num`` people; ``statistic`` gets the indices of those drawn."""
    draws = rng.integers(num, size=(num_resamples, num))
    return interval_around(statistic(np.arange(num)), np.array([statistic(rows) for rows in draws]))


def resample_means(
    rows: NDArray[np.float64], rng: np.random.Generator, num_resamples: int, groups: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Bootstrap means (R, num_resamples) of ``rows`` (R, N); all rows share their draws, as paired values must."""
    index = np.arange(rows.shape[1]) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    num_groups = int(index.max()) + 1
    sums = np.stack([np.bincount(index, row, num_groups) for row in rows])
    sizes = np.bincount(index, minlength=num_groups)
    drawn = rng.integers(num_groups, size=(num_resamples, num_groups))
    return np.asarray(sums[:, drawn].sum(-1) / sizes[drawn].sum(-1))


def interval_around(value: float, resampled: NDArray[np.float64]) -> Interval:
    """The percentile interval of ``resampled`` values (num_resamples,)."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high))
