"""Clipping a gradient; one that is not finite ends the training before it reaches the weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from drpose_ray.errors import InputError


def clip_gradient(
    parameters: Iterable[nn.Parameter], largest: float, *, update: int, learning_rate: float, field: str
) -> float:
    """Scale the gradient of ``parameters`` down to the norm ``largest``; returns the norm that it had.

    Args:
        update: Number of the update, 1 for the first.
        field: The setting that ``learning_rate`` is of.

    Raises InputError if the norm is not finite.
    """
    norm = nn.utils.clip_grad_norm_(parameters, largest)
    if not torch.isfinite(norm):
        raise InputError(
            f"the gradient of update {update} is not finite", field=field, value=learning_rate,
            remedy="lower it, or check the data",
        )  # fmt: skip
    return float(norm)
