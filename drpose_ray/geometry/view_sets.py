"""What the view slots of the published models show (docs/facts/i2mv.md, 2.5 and 4.3): mirrored ones, and a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Shaped
from torch import Tensor

from drpose_ray.geometry.cameras import NUM_VIEWS, VIEW_NAMES


@dataclass(frozen=True)
class ViewSet:
    """The slots of one model, in the order of its tensors. The first six are those of ``VIEW_NAMES``."""

    name: str
    num_views: int
    mirrored: tuple[int, ...]  # slots whose pixels are flipped left to right
    face: bool  # whether a seventh slot shows the head of the front view

    def to_true_views(self, x: Shaped[Tensor, "... C h w"], view_axis: int) -> Shaped[Tensor, "... C h w"]:
        """The six body views as a camera sees them, of images or latents (…, V, C, h, w): no face, nothing mirrored.

        Latents of Stable Diffusion's VAE are flipped like the images they stand for, up to what its convolutions see
        of left and right.
        """
        body = x.narrow(view_axis, 0, NUM_VIEWS)
        if not self.mirrored:
            return body
        views = [view.flip(-1) if slot in self.mirrored else view for slot, view in enumerate(body.unbind(view_axis))]
        return torch.stack(views, view_axis)

    def from_true_views(self, x: Shaped[Tensor, "*axes"], view_axis: int) -> Shaped[Tensor, "*axes"]:
        """Images or latents (…, num_views, C, h, w) as cameras saw them -> as this model's slots show them.

        What renders are before the model trains on them; a face stays as it is.
        """
        if x.shape[view_axis] != self.num_views:
            raise ValueError(f"{self.name} has {self.num_views} slots, not {x.shape[view_axis]}")
        if not self.mirrored:
            return x
        views = [view.flip(-1) if slot in self.mirrored else view for slot, view in enumerate(x.unbind(view_axis))]
        return torch.stack(views, view_axis)


ERA3D_VIEWS: Final = ViewSet("era3d", NUM_VIEWS, mirrored=(), face=False)
PSHUMAN_VIEWS: Final = ViewSet(
    "pshuman", NUM_VIEWS + 1, mirrored=(VIEW_NAMES.index("back"), VIEW_NAMES.index("left")), face=True
)


def view_set(num_views: int) -> ViewSet:
    """The view set of a model with that many views; only these two were released."""
    return PSHUMAN_VIEWS if num_views == PSHUMAN_VIEWS.num_views else ERA3D_VIEWS
