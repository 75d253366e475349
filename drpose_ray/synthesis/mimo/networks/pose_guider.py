"""The pose guider: pose images to features that are added behind the denoiser's first convolution
(docs/facts/mimo.md, 1.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.core.errors import InputError

PUBLISHED_CHANNELS: Final = (16, 32, 96, 256)


class PoseGuider(nn.Module):
    """Eight 3 x 3 convolutions, three of them of stride 2; SiLU behind all but the last."""

    def __init__(self, out_channels: int = 320, channels: Sequence[int] = PUBLISHED_CHANNELS) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for narrow, wide in pairwise(channels):
            self.blocks.append(nn.Conv2d(narrow, narrow, 3, padding=1))
            self.blocks.append(nn.Conv2d(narrow, wide, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)

    @staticmethod
    def of_weights(tensors: Mapping[str, torch.Tensor], file: Path | None = None) -> PoseGuider:
        """One of the widths that ``tensors`` have; no file states them. Raises InputError where they have none."""
        last = [f"blocks.{i}.weight" for i in range(1, len(tensors), 2) if f"blocks.{i}.weight" in tensors]
        names = ["conv_in.weight", *last, "conv_out.weight"]
        if not last or any(name not in tensors or tensors[name].ndim != 4 for name in names):
            raise InputError(
                "these are not a pose guider's weights", file=file, field="tensors", value=sorted(tensors)[:8],
                remedy="give MIMO's pose_guider.pth",
            )  # fmt: skip
        *channels, out_channels = [len(tensors[name]) for name in names]
        return PoseGuider(out_channels, channels)

    def forward(self, pose_images: torch.Tensor) -> torch.Tensor:
        """RGB in [0, 1], (N, 3, H, W), not centred on 0 -> (N, C, H / 8, W / 8)."""
        x = F.silu(self.conv_in(pose_images.to(self.conv_in.weight.dtype)))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)  # type: ignore[no-any-return]
