"""The exponential moving average of weights, which exports smoother than the last update."""

from __future__ import annotations

from collections.abc import Sequence

import torch


@torch.no_grad()
def follow(average: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], decay: float, updates_before: int) -> None:
    """Move ``average`` in place towards ``weights``, as they are after one more update than ``updates_before``.

    Early averages forget faster than ``decay``, or the random start would stay in them.
    """
    decay = min(decay, (1 + updates_before) / (10 + updates_before))
    torch._foreach_lerp_(list(average), list(weights), 1 - decay)
