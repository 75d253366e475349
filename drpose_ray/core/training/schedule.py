"""The learning rate over a training: it rises, stays, and falls along half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to ``peak``, constant, then half a cosine down to ``last_share`` of it."""

    peak: float
    warmup: int
    """The first update, counted from 1, at the full rate."""
    fall_from: float
    """Updates after which the rate begins to fall ..."""
    fall_over: float
    """... and in how many it has fallen."""
    last_share: float

    def rate(self, update: int) -> float:
        """Learning rate of ``update``, counted from 0."""
        warm = min(1.0, (update + 1) / self.warmup)
        progress = min(1.0, max(0.0, (update + 1 - self.fall_from) / self.fall_over))
        return self.peak * warm * (self.last_share + (1 - self.last_share) * 0.5 * (1 + math.cos(math.pi * progress)))
