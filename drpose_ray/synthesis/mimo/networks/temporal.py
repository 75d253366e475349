"""MIMO's temporal module: every pixel's features attend along the frames (docs/facts/mimo.md, 1.2).

Close to AnimateDiff's, and yet not diffusers' ``AnimateDiffTransformer3D``: that one normalises groups over all
frames together, MIMO over each frame alone. Axis letters: b rows, f frames, C channels, L = h w pixels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.networks.architecture import MAX_FRAMES, TEMPORAL_HEADS

define_missing_operators()
from diffusers.models.attention import FeedForward  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.attention_processor import Attention  # noqa: E402


class TemporalModule(nn.Module):
    """One entry of a block's ``motion_modules``; the nesting gives the published names of its 28 tensors."""

    def __init__(self, channels: int, heads: int = TEMPORAL_HEADS, max_frames: int = MAX_FRAMES) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(channels, heads, max_frames)

    def forward(self, x: torch.Tensor, num_frames: int) -> torch.Tensor:
        """``x`` (b f, C, h, w), frame fastest -> the same shape. Raises InputError for more frames than positions."""
        return self.temporal_transformer(x, num_frames)  # type: ignore[no-any-return]


class TemporalTransformer(nn.Module):
    """Group norm per frame, projection, two attentions along the frames, feed-forward, projection, residual."""

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels, heads, max_frames)])
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, num_frames: int) -> torch.Tensor:
        """As ``TemporalModule``."""
        y = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))  # (b f, L, C): the 4-D norm sees one frame at a time
        for block in self.transformer_blocks:
            y = block(y, num_frames)
        return x + self.proj_out(y).transpose(1, 2).unflatten(2, x.shape[-2:])  # type: ignore[no-any-return]


class TemporalBlock(nn.Module):
    """Two self-attentions along the frames and a gated feed-forward, each with a layer norm before and a residual."""

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList([TemporalAttention(channels, heads, max_frames) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(channels) for _ in range(2)])
        self.ff = FeedForward(channels, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(channels)

    def forward(self, y: torch.Tensor, num_frames: int) -> torch.Tensor:
        """``y`` (b f, L, C) -> the same shape."""
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            y = y + attention(norm(y), num_frames)
        return y + self.ff(self.ff_norm(y))  # type: ignore[no-any-return]


class TemporalAttention(Attention):  # type: ignore[misc]
    """Self-attention along the frames; queries, keys and values all see the frame's position."""

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__(query_dim=channels, heads=heads, dim_head=channels // heads, bias=False)
        self.pos_encoder = PositionTable(channels, max_frames)

    def forward(self, z: torch.Tensor, num_frames: int) -> torch.Tensor:
        """``z`` (b f, L, C), already normalised -> the same shape."""
        pixels = z.unflatten(0, (-1, num_frames)).transpose(1, 2)  # (b, L, f, C)
        positioned = self.pos_encoder(pixels.flatten(0, 1))
        q, k, v = (
            project(positioned).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.to_out[0](attended).view(pixels.shape).transpose(1, 2).flatten(0, 1)  # type: ignore[no-any-return]


class PositionTable(nn.Module):
    """Interleaved sines and cosines, base 10000. The files store the table, so it is a persistent buffer."""

    pe: torch.Tensor

    def __init__(self, channels: int, max_frames: int) -> None:
        super().__init__()
        angle = torch.arange(max_frames)[:, None] * torch.exp(
            torch.arange(0, channels, 2) * (-math.log(10000.0) / channels)
        )
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[None])

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """``z`` (N, f, C) plus the rows of the first f positions."""
        if z.shape[1] > self.pe.shape[1]:
            raise InputError(
                "more frames than the temporal modules have positions", field="frames", value=z.shape[1],
                remedy=f"use windows of at most {self.pe.shape[1]} frames",
            )  # fmt: skip
        return z + self.pe[:, : z.shape[1]]
