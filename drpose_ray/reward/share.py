"""One process's share of a training: which part of a global batch is its own, and how processes agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Share(Protocol):
    """Rank ``rank`` of ``size`` equal processes. ``average`` is called by all of them, in the same order."""

    rank: int
    size: int

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor, in place, by its mean over the processes; all get the same bits."""


class Alone:
    """The only process."""

    rank, size = 0, 1

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Nothing to agree on."""


ALONE: Share = Alone()
