"""One process's part of a training that several share: which samples of a batch are its own, and how they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from drpose_ray.core.errors import InputError


class DataParallel(Protocol):
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


ALONE: DataParallel = Alone()


def own_samples(share: DataParallel, number: int, field: str) -> slice:
    """The own part of ``number`` samples. Raises InputError, naming ``field``, if parts would not be equal."""
    if number % share.size:
        raise InputError(
            "a batch cannot be shared equally", field=field, value=number,
            remedy=f"use a multiple of the {share.size} workers",
        )  # fmt: skip
    part = number // share.size
    return slice(share.rank * part, (share.rank + 1) * part)
