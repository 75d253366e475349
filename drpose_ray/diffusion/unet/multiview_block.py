"""The transformer block that turns Stable Diffusion's U-Net into a joint normal-colour, multi-view one.

Built from the facts of PSHuman and Era3D (docs/facts/i2mv.md, 1.2); parameter names are theirs, so their files load.
Axis letters: N = M B V images (domain slowest, view fastest), L = h w tokens, C channels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from drpose_ray.core.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers.models.attention import BasicTransformerBlock  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.attention_processor import Attention  # noqa: E402


class MultiViewTransformerBlock(nn.Module):
    """Joint normal-colour self-attention, row-wise multi-view attention, text cross-attention, feed-forward.

    Takes over the modules of a stock block and adds ``norm_mv`` and ``attn_mv``. With ``face_view`` the last view is
    PSHuman's head crop: the joint attention blends it into the front view, and the row attention leaves it out.
    """

    def __init__(self, stock: BasicTransformerBlock, num_views: int, face_view: bool) -> None:
        super().__init__()
        self.num_views, self.face_view = num_views, face_view
        self.norm1, self.attn1 = stock.norm1, stock.attn1
        self.norm2, self.attn2 = stock.norm2, stock.attn2
        self.norm3, self.ff = stock.norm3, stock.ff
        heads, width = self.attn1.heads, self.attn1.to_q.in_features
        self.norm_mv = nn.LayerNorm(width)
        self.attn_mv = Attention(query_dim=width, heads=heads, dim_head=self.attn1.inner_dim // heads, bias=False)
        # A new block starts as the single-view model it was built from (up to the bias, which keeps torch's default).
        nn.init.zeros_(self.attn_mv.to_out[0].weight)

    def forward(
        self,
        hidden_states: Float[Tensor, "N L C"],
        attention_mask: Tensor | None = None,  # noqa: ARG002
        encoder_hidden_states: Float[Tensor, "N tokens D"] | None = None,
        *_: Any,
        **__: Any,
    ) -> Float[Tensor, "N L C"]:
        """``hidden_states`` are of square maps, ``encoder_hidden_states`` the text.

        The other arguments are what diffusers passes to every block, by position under its gradient checkpointing;
        none has a meaning here.
        """
        x = hidden_states
        x = x + self._joint_attention(self.norm1(x))
        x = self._add_rowwise_attention(x)
        x = x + _attend(self.attn2, self.norm2(x), encoder_hidden_states)
        return x + self.ff(self.norm3(x))  # type: ignore[no-any-return]

    def _joint_attention(self, x: Tensor) -> Tensor:
        """Each image attends to itself in both domains: (N, L, C) -> tokens of the pair (N/2, 2L, C), normals first."""
        pairs = torch.cat(x.chunk(2), dim=1)
        update = torch.cat(_attend(self.attn1, pairs).chunk(2, dim=1))
        return blend_face_into_front(update, self.num_views) if self.face_view else update

    def _add_rowwise_attention(self, x: Tensor) -> Tensor:
        """``x`` (N, L, C) plus the row attention of its body views."""
        if not self.face_view:
            return x + self._rowwise_attention(self.norm_mv(x), self.num_views)
        per_object = x.unflatten(0, (-1, self.num_views))
        body, face = per_object[:, :-1], per_object[:, -1:]
        flat = body.flatten(0, 1)
        flat = flat + self._rowwise_attention(self.norm_mv(flat), self.num_views - 1)
        return torch.cat([flat.view(body.shape), face], dim=1).flatten(0, 1)

    def _rowwise_attention(self, x: Tensor, num_views: int) -> Tensor:
        """Each image row attends to the same row of all views: the epipolar line of orthographic level cameras."""
        images, tokens, channels = x.shape
        side, objects = math.isqrt(tokens), images // num_views
        rows = x.view(objects, num_views, side, side, channels).transpose(1, 2)  # (objects, row, view, column, C)
        attended = _attend(self.attn_mv, rows.reshape(objects * side, num_views * side, channels))
        return attended.view(objects, side, num_views, side, channels).transpose(1, 2).reshape(x.shape)


def blend_face_into_front(x: Float[Tensor, "N L C"], num_views: int) -> Float[Tensor, "N L C"]:
    """Half of the face view, at a third of its size, in the front view's head window.

    The window is the top third, middle third of the front view, i.e. the pixels the face view was cropped from. No
    gradient reaches the face view through it. Every third token from the second on is what bilinear resizing by a
    third gives; the map's side must therefore divide by 3.
    """
    side = math.isqrt(x.shape[1])
    third = side // 3
    images = x.unflatten(1, (side, side)).unflatten(0, (-1, num_views))  # (objects, V, row, column, C)
    front = images[:, 0].clone()
    window = front[:, :third, third : 2 * third]
    front[:, :third, third : 2 * third] = 0.5 * window + 0.5 * images[:, -1, 1::3, 1::3].detach()
    return torch.cat([front[:, None], images[:, 1:]], dim=1).reshape(x.shape)


def _attend(attention: Attention, x: Tensor, context: Tensor | None = None) -> Tensor:
    """Multi-head attention with the parameters of a diffusers ``Attention``, always by the fused kernel."""
    source = x if context is None else context
    query, key, value = (
        projected.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for projected in (attention.to_q(x), attention.to_k(source), attention.to_v(source))
    )
    attended = F.scaled_dot_product_attention(query, key, value)
    return attention.to_out[0](attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
