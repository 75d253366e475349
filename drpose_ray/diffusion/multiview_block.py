"""The transformer block that turns Stable Diffusion's U-Net into a joint normal-colour, multi-view one.

Built from the facts of PSHuman and Era3D (i2mv, 1.2); parameter names are theirs, so their files load.
Axis letters: N = M B V images (domain slowest, view fastest), L = h w tokens, C channels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers.models.attention import BasicTransformerBlock  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.attention_processor import Attention  # noqa: E402


class MultiViewTransformerBlock(nn.Module):
    """Joint normal-colour self-attention, row-wise multi-view attention, text cross-attention, feed-forward.

    Takes over the modules of a stock block and adds ``norm_mv`` and ``attn_mv``.
    """

    def __init__(self, stock: BasicTransformerBlock, num_views: int) -> None:
        super().__init__()
        self.num_views = num_views
        self.norm1, self.attn1 = stock.norm1, stock.attn1
        self.norm2, self.attn2 = stock.norm2, stock.attn2
        self.norm3, self.ff = stock.norm3, stock.ff
        heads, width = self.attn1.heads, self.attn1.to_q.in_features
        self.norm_mv = nn.LayerNorm(width)
        self.attn_mv = Attention(query_dim=width, heads=heads, dim_head=self.attn1.inner_dim // heads, bias=False)
        # A new block starts as the single-view model it was built from (up to the bias, which keeps torch's default).
        nn.init.zeros_(self.attn_mv.to_out[0].weight)

    def forward(
        self, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None, **_: Any
    ) -> torch.Tensor:
        """``hidden_states`` (N, L, C) of square maps, ``encoder_hidden_states`` text (N, tokens, D) -> (N, L, C).

        Other keywords are what diffusers passes to every block; none has a meaning here.
        """
        x = hidden_states
        x = x + self._joint_attention(self.norm1(x))
        x = x + self._rowwise_attention(self.norm_mv(x))
        x = x + _attend(self.attn2, self.norm2(x), encoder_hidden_states)
        return x + self.ff(self.norm3(x))  # type: ignore[no-any-return]

    def _joint_attention(self, x: torch.Tensor) -> torch.Tensor:
        """Each image attends to itself in both domains: (N, L, C) -> tokens of the pair (N/2, 2L, C), normals first."""
        pairs = torch.cat(x.chunk(2), dim=1)
        return torch.cat(_attend(self.attn1, pairs).chunk(2, dim=1))

    def _rowwise_attention(self, x: torch.Tensor) -> torch.Tensor:
        """Each image row attends to the same row of all views: the epipolar line of orthographic level cameras."""
        images, tokens, channels = x.shape
        side, objects = math.isqrt(tokens), images // self.num_views
        rows = x.view(objects, self.num_views, side, side, channels).transpose(1, 2)  # (objects, row, view, column, C)
        attended = _attend(self.attn_mv, rows.reshape(objects * side, self.num_views * side, channels))
        return attended.view(objects, side, self.num_views, side, channels).transpose(1, 2).reshape(x.shape)


def _attend(attention: Attention, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
    """Multi-head attention with the parameters of a diffusers ``Attention``, always by the fused kernel."""
    source = x if context is None else context
    query, key, value = (
        projected.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for projected in (attention.to_q(x), attention.to_k(source), attention.to_v(source))
    )
    attended = F.scaled_dot_product_attention(query, key, value)
    return attention.to_out[0](attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
