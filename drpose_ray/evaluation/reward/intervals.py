"""Intervals of the report on the reward: people are resampled, always with the same draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from drpose_ray.core.seeding import stream
from drpose_ray.metrics.intervals import Interval, bootstrap, bootstrap_mean

_RESAMPLES: Final = 1000


def mean_of(values: torch.Tensor) -> Interval:
    """Mean of one number per person (N,), N at least 2."""
    return bootstrap_mean(values.double().numpy(), stream(0, "reward report"), _RESAMPLES)


def over_people(statistic: Callable[[NDArray[np.int64]], float], num_people: int) -> Interval:
    """Any number that can be computed of some people; ``statistic`` gets their indices."""
    return bootstrap(statistic, num_people, stream(0, "reward report"), _RESAMPLES // 4)
