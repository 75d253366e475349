"""Era3D's regression of the input camera from the U-Net's middle features
(docs/facts/i2mv.md, 1.3); PSHuman has none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PUBLISHED_WIDTH = 1280
"""Hidden width in the published weights, whatever the U-Net's own width."""


class CameraRegressor(nn.Module):
    """One scalar of the input camera from the pooled features of both domains."""

    def __init__(self, in_features: int, num_blocks: int, width: int = PUBLISHED_WIDTH) -> None:
        super().__init__()
        self.linear_in = nn.Sequential(nn.Linear(in_features, width), nn.SiLU())
        self.blocks = nn.ModuleList(_ResidualBlock(width) for _ in range(num_blocks))
        self.linear_out = nn.Linear(width, 1)

    def forward(self, x: Float[Tensor, "N in_features"]) -> Float[Tensor, "N 1"]:
        x = self.linear_in(x)
        for block in self.blocks:
            x = block(x)
        return self.linear_out(x)  # type: ignore[no-any-return]


class _ResidualBlock(nn.Module):
    """``SiLU(x + W2 SiLU(W1 x))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.linear2(F.silu(self.linear1(x))))


def pool_domain_pairs(features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N//2 2*C"]:
    """Middle features, normals first, averaged over the map, domains side by side.

    Detached: the regressors read the network and do not train it.
    """
    normal, color = features.detach().mean((-2, -1)).chunk(2)
    return torch.cat([normal, color], dim=-1)
