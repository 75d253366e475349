"""The denoiser's spatial transformer block: self-attention that also reads the photo (docs/facts/mimo.md, 1.2, 1.7).

Two things are done once that the original does again and again. Keys and values of the photo's tokens depend on the
photo and the layer alone, so they are projected once and kept. And the only token of the cross-attention gets all of
every query's attention, so its value is the result: queries need not be formed. ``literal_block`` keeps both as the
original has them.

Axis letters: R rows (guidance branch and sequence), S of them read a photo, F frames, N = R F images, P photos,
L tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.core.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers.models.attention import BasicTransformerBlock  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.attention_processor import Attention  # noqa: E402


@dataclass(frozen=True)
class Reading:
    """What the rows of one denoiser call read of the photos.

    Attributes:
        stored: module path of a block -> what its ``project`` made of the P photos' tokens, photo axis first.
        photo: (S,) the photo of each of the last S rows. Rows before them (guidance's unconditional ones) read none.
        num_frames: F.
    """

    stored: Mapping[str, torch.Tensor]
    photo: torch.Tensor
    num_frames: int


class SpatialBlock(nn.Module):
    """Takes over the modules of a stock block, and so its parameter names. ``path`` is its place in the U-Net."""

    def __init__(self, stock: BasicTransformerBlock, path: str) -> None:
        super().__init__()
        self.path = path
        self.norm1, self.attn1 = stock.norm1, stock.attn1
        self.norm2, self.attn2 = stock.norm2, stock.attn2
        self.norm3, self.ff = stock.norm3, stock.ff

    def forward(
        self,
        hidden_states: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor,
        cross_attention_kwargs: Mapping[str, Reading | None],
        **_: Any,
    ) -> torch.Tensor:
        """``hidden_states`` (N, L, C), ``encoder_hidden_states`` (N, tokens, D) -> (N, L, C).

        ``cross_attention_kwargs["reading"]`` is a ``Reading``, or None where no row reads a photo. The other
        arguments are what diffusers passes to every block; none has a meaning here.
        """
        x = hidden_states
        x = x + self._attend_self(self.norm1(x), cross_attention_kwargs["reading"])
        x = x + self._attend_context(x, encoder_hidden_states)
        return x + self.ff(self.norm3(x))  # type: ignore[no-any-return]

    def project(self, bank: torch.Tensor) -> torch.Tensor:
        """What is kept of the photos' tokens ``bank`` (P, L, C): keys and values (P, 2, heads, L, C / heads)."""
        return torch.stack([_heads(self.attn1, self.attn1.to_k(bank)), _heads(self.attn1, self.attn1.to_v(bank))], 1)

    def _attend_self(self, x: torch.Tensor, reading: Reading | None) -> torch.Tensor:
        q, k, v = (_heads(self.attn1, project(x)) for project in (self.attn1.to_q, self.attn1.to_k, self.attn1.to_v))
        if reading is None:
            return merge(self.attn1, F.scaled_dot_product_attention(q, k, v))
        alone = len(x) - len(reading.photo) * reading.num_frames
        photo = reading.stored[self.path][reading.photo].repeat_interleave(reading.num_frames, 0)
        parts = [F.scaled_dot_product_attention(q[:alone], k[:alone], v[:alone])] if alone else []
        keys, values = torch.cat([k[alone:], photo[:, 0]], 2), torch.cat([v[alone:], photo[:, 1]], 2)
        parts.append(F.scaled_dot_product_attention(q[alone:], keys, values))
        return merge(self.attn1, torch.cat(parts))

    def _attend_context(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        if context.shape[1] == 1:  # a softmax over one token is 1, whatever the query
            return self.attn2.to_out[0](self.attn2.to_v(context))  # type: ignore[no-any-return]
        return attend(self.attn2, self.norm2(x), context)


def attend(attention: Attention, x: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Multi-head attention of ``x`` (N, L, C) to ``source`` (N, K, D) by the fused kernel -> (N, L, C)."""
    projected = (attention.to_q(x), attention.to_k(source), attention.to_v(source))
    q, k, v = (_heads(attention, each) for each in projected)
    return merge(attention, F.scaled_dot_product_attention(q, k, v))


def merge(attention: Attention, attended: torch.Tensor) -> torch.Tensor:
    """Heads (N, heads, L, d) side by side and through the output projection: (N, L, C)."""
    return attention.to_out[0](attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _heads(attention: Attention, x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # type: ignore[no-any-return]
