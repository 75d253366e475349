"""Another processor on this one: networks whose last bit depends on how many images they are given together.

Libraries choose a convolution's order of sums by the processor and the batch, so that the same image may come out
different in its last bit from a batch of another size. Equality that holds under this holds on any processor.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

ONE_ROUNDING = 1.2e-7
"""The spacing of float32 at 1."""


def round_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions and linear layers are off by up to half a rounding, the same again for the same shape."""
    for layer in (nn.Conv2d, nn.Linear):
        monkeypatch.setattr(layer, "forward", _rounded(layer.forward))


def _rounded(forward: object) -> object:
    def rounded(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = forward(self, x)  # type: ignore[operator]
        generator = torch.Generator().manual_seed(sum(side * 31**place for place, side in enumerate(x.shape)))
        return y * (1 + ONE_ROUNDING * (torch.rand(y.shape, generator=generator) - 0.5))

    return rounded
