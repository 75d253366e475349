"""g_skel of Eq. 1: a U-Net that reads a multi-view latent image and draws its skeleton maps (Sec. 3.1)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.core.training.network_file import load_network, save_weights
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.reward.config import PredictorConfig

NUM_DOMAINS = 2
_GROUPS = 8
_EMPTY_LOGIT = -4.0  # logit of the mean map value (about 2 %): training starts at an empty map instead of a grey one


class SkeletonPredictor(nn.Module):
    """Latents of both domains -> map logits of 23 joints; every view is read on its own.

    A view is not told its azimuth. The maps are relative to the image, not to the person, so the azimuth adds nothing
    that the normals (given in the front camera's frame) do not show; and a view that cannot see the others cannot earn
    reward for a limb that is drawn only elsewhere, or from agreement between views that are wrong together.
    """

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        doublings = _doublings(config)
        widths = config.channels
        self.enter = nn.Conv2d(NUM_DOMAINS * config.latent_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_ResidualBlock(width) for width in widths)
        self.narrow = nn.ModuleList(
            nn.Conv2d(above, below, 3, stride=2, padding=1) for above, below in pairwise(widths)
        )
        self.bottom = _ResidualBlock(widths[-1])
        self.merge = nn.ModuleList(nn.Conv2d(above + below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(_ResidualBlock(width) for width in widths[:-1])
        # Sub-pixel convolutions draw above latent resolution at the cost of latent resolution.
        self.leave = nn.Sequential(
            nn.GroupNorm(_GROUPS, widths[0]),
            nn.SiLU(),
            nn.Conv2d(widths[0], NUM_JOINTS * 4**doublings, 3, padding=1),
            nn.PixelShuffle(2**doublings),
        )
        output = self.leave[2]
        assert isinstance(output, nn.Conv2d)
        assert output.bias is not None
        nn.init.constant_(output.bias, _EMPTY_LOGIT)
        nn.init.normal_(output.weight, std=0.01)

    def forward(self, latents: Float[Tensor, "2 B V C h w"]) -> Float[Tensor, "B V J s s"]:
        """Map logits of ``latents``, normals first; probabilities by sigmoid."""
        domains, batch, views, channels, height, width = latents.shape
        per_view = latents.permute(1, 2, 0, 3, 4, 5).reshape(batch * views, domains * channels, height, width)
        x = self.enter(per_view)
        skips: list[Tensor] = []
        for block, narrow in zip(self.down, [*self.narrow, None], strict=True):
            x = block(x)
            if narrow is not None:
                skips.append(x)
                x = narrow(x)
        x = self.bottom(x)
        for level in reversed(range(len(skips))):
            x = F.interpolate(x, size=skips[level].shape[-2:], mode="nearest")
            x = self.up[level](self.merge[level](torch.cat([skips[level], x], 1)))
        maps: Tensor = self.leave(x)
        return maps.reshape(batch, views, *maps.shape[1:])

    def save(self, path: Path) -> None:
        """Publish weights and config as one safetensors file."""
        save_weights(self, self.config, path)

    @staticmethod
    def load(path: Path) -> SkeletonPredictor:
        """Read what ``save`` wrote. Raises InputError if the file is no skeleton predictor, or a weight not finite."""
        return load_network(path, PredictorConfig, SkeletonPredictor)


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(_GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.layers(x)
        return changed


def _doublings(config: PredictorConfig) -> int:
    """How often the map side doubles over the latent side."""
    for doublings in range(4):
        if config.map_size == config.latent_size * 2**doublings:
            return doublings
    raise InputError(
        "skeleton maps do not fit the latents",
        field="predictor.map_size",
        value=config.map_size,
        remedy=f"use latent_size ({config.latent_size}) times 1, 2, 4 or 8",
    )
