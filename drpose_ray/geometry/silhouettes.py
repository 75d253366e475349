"""Which pixels of a white-background image show the person."""

from __future__ import annotations

from typing import Final

from jaxtyping import Bool, Float
from torch import Tensor

FOREGROUND_THRESHOLD: Final = 0.8
"""A pixel belongs to the person if any channel is darker than this. For normal images the rule misses nothing: a unit
vector has a component of at most 1/sqrt(3), stored as (1/sqrt(3) + 1)/2 = .789. White clothes do slip through in
colour images, so the true silhouette is always taken from the normals."""


def foreground(images: Float[Tensor, "*axes 3 h w"]) -> Bool[Tensor, "*axes h w"]:
    """Silhouettes of white-background images."""
    return (images < FOREGROUND_THRESHOLD).any(-3)
