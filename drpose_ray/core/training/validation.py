"""Measuring a network while it is trained; with patience, stopping in time and keeping the best weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)


class Validation(Generic[NetworkT]):
    """What was measured of a training's averaged weights. Its processes all get the same numbers, and so agree."""

    def __init__(
        self, measure: Callable[[NetworkT], dict[str, float]], every: int, patience: int = 0, score: str = ""
    ) -> None:
        """Every so many updates, and after the last.

        Args:
            patience: after so many times without a better ``score`` (a measure that is to rise) training stops; 0:
                whatever is measured.
        """
        self._measure, self._every, self._patience, self._score = measure, every, patience, score
        self.measured: dict[str, float] = {}
        """Of the weights that training gives, as far as they have been measured."""
        self.best_update: int | None = None
        """After how many updates the score was best; only with patience."""
        self.best_weights: dict[str, torch.Tensor] = {}
        """Those of that update; empty without patience."""
        self._best_score, self._misses = -math.inf, 0

    @property
    def stops(self) -> bool:
        """Whether patience has run out."""
        return 0 < self._patience <= self._misses

    def look(self, average: NetworkT, updates_done: int, *, last: bool) -> dict[str, float]:
        """Measure if it is time, and judge; returns the measures as ``validation_*``."""
        if not last and updates_done % self._every:
            return {}
        measured = self._measure(average)
        if self._patience and not measured[self._score] > self._best_score:
            self._misses += 1
        else:
            self.measured = measured
            if self._patience:
                self._misses, self.best_update, self._best_score = 0, updates_done, measured[self._score]
                self.best_weights = {name: tensor.clone() for name, tensor in average.state_dict().items()}
        return {f"validation_{name}": value for name, value in measured.items()}

    def numbers(self) -> dict[str, Any]:
        """All that it remembers beside ``best_weights``, JSON-able."""
        return {
            "validation": self.measured, "misses": self._misses, "best_update": self.best_update,
            "best_score": self._best_score if self.best_weights else None,
        }  # fmt: skip

    def restore(self, numbers: Mapping[str, Any], best_weights: dict[str, torch.Tensor]) -> None:
        """Go on from ``numbers()``, which may hold other numbers too, and ``best_weights``."""
        self.measured, self._misses, self.best_update = numbers["validation"], numbers["misses"], numbers["best_update"]
        self.best_weights, self._best_score = best_weights, numbers["best_score"] if best_weights else -math.inf
