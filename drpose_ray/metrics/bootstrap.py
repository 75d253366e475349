"""Numbers with 95 % bootstrap intervals over people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from drpose_ray.seeding import stream

CONFIDENCE: Final = 0.95
_RESAMPLES: Final = 1000


class Estimate(BaseModel):
    """A number and the ends of its 95 % bootstrap (percentile) interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(description="over all people")
    low: float = Field(description="lower end of the interval")
    high: float = Field(description="upper end of the interval")

    def show(self, decimals: int = 2, sign: str = "") -> str:
        """In words: value [low, high]."""
        return f"{self.value:{sign}.{decimals}f} [{self.low:{sign}.{decimals}f}, {self.high:{sign}.{decimals}f}]"


def mean_of(values: torch.Tensor) -> Estimate:
    """Mean of one number per person (N,), N at least 2."""
    found = values.double().numpy()
    if np.ptp(found) == 0:  # the resamples of a constant are that constant
        return Estimate(value=float(found[0]), low=float(found[0]), high=float(found[0]))
    result = stats.bootstrap(
        (found,), np.mean, n_resamples=_RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        rng=stream(0, "reward report"),
    )  # fmt: skip
    low, high = result.confidence_interval
    return Estimate(value=float(found.mean()), low=float(low), high=float(high))


def over_people(statistic: Callable[[NDArray[np.int64]], float], num_people: int) -> Estimate:
    """Any number that can be computed of some people; ``statistic`` gets their indices, whole people are resampled."""
    draws = stream(0, "reward report").integers(num_people, size=(_RESAMPLES // 4, num_people))
    low, high = np.quantile([statistic(rows) for rows in draws], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value=statistic(np.arange(num_people)), low=float(low), high=float(high))
