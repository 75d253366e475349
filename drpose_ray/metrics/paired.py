"""Paired statistics over poses: what changed, how sure we are, and whether a loss stays below a margin.

Every model sees the same poses and the same noise, so differences are taken pose by pose. Frames of one motion window
show the same person in almost the same pose; intervals therefore resample windows (``groups``), not frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.metrics.intervals import Interval, bootstrap_mean, interval_around, resample_means

NUM_RESAMPLES: Final = 10_000


@dataclass(frozen=True)
class PairedChange:
    """Change from ``before`` to ``after`` on the same poses, in the metric's unit."""

    change: Interval
    share_improved: float
    """Share of poses that moved in the good direction, 0..1; ties do not count."""
    num_poses: int
    higher_is_better: bool

    @property
    def improves(self) -> bool:
        """The whole interval lies on the good side of zero."""
        return self.change.low > 0 if self.higher_is_better else self.change.high < 0

    @property
    def worsens(self) -> bool:
        """The whole interval lies on the bad side of zero."""
        return self.change.high < 0 if self.higher_is_better else self.change.low > 0


def estimate_mean(values: NDArray[np.float64], groups: Sequence[str], seed: int) -> Interval:
    """Mean of ``values`` (N,) with its interval; ``groups`` (N,) names the motion window of each."""
    return bootstrap_mean(np.asarray(values, np.float64), _draws(seed), NUM_RESAMPLES, groups)


def measure_change(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    groups: Sequence[str],
    *,
    higher_is_better: bool,
    seed: int,
) -> PairedChange:
    """Paired change ``after - before`` over N poses; ``groups`` (N,) names the motion window of each.

    Raises InputError if the lengths differ, there is no pose, or a value is not finite.
    """
    before, after = _checked(before, after)
    difference = after - before
    improved = difference > 0 if higher_is_better else difference < 0
    return PairedChange(
        estimate_mean(difference, groups, seed), float(improved.mean()), len(difference), higher_is_better
    )


def measure_relative_loss(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    groups: Sequence[str],
    *,
    higher_is_better: bool,
    seed: int,
) -> Interval:
    """How much worse the mean became, as a fraction of the mean before: positive is a loss, negative a gain.

    Non-inferiority with margin ``d`` holds when ``high <= d``: the data then rule out, at the interval's
    level, that the loss is larger than ``d``. Raises as ``measure_change``, and if the mean before is not positive.
    """
    before, after = _checked(before, after)
    if before.mean() <= 0:
        raise InputError(
            "a relative loss needs a positive reference",
            value=float(before.mean()),
            remedy="compare metrics that are positive, or use the absolute change",
        )
    mean_before, mean_after = resample_means(np.stack([before, after]), _draws(seed), NUM_RESAMPLES, groups)
    sign = 1.0 if higher_is_better else -1.0
    return interval_around(
        float(sign * (1 - after.mean() / before.mean())), sign * (1 - mean_after / np.maximum(mean_before, 1e-12))
    )


def _checked(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if before.shape != after.shape or before.ndim != 1 or not len(before):
        raise InputError(
            "paired values must be two equally long lists",
            value=(before.shape, after.shape),
            remedy="judge all models on the same poses",
        )
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise InputError(
            "a metric is not finite",
            value=[int(i) for i in np.flatnonzero(~np.isfinite(before + after))[:5]],
            remedy="inspect the images of these pose indices; a diverged model cannot be judged by means",
        )
    return before, after


def _draws(seed: int) -> np.random.Generator:
    """The stream depends on the seed alone: all metrics of a report share their resamples."""
    return stream(seed, "bootstrap")
