"""Images at the originals' 8-bit levels: truncation, and Pillow's own resizing (docs/facts/i2mv.md, 2.2, 2.3).

Pillow resizes in two passes and rounds to 8 bits after each; a bicubic kernel in floating point, or torch's other
kernel, comes out up to several levels off, and a thousandth in the class labels.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from PIL import Image
from torch import Tensor


def quantize(images: Float[Tensor, "*axes"]) -> Float32[Tensor, "*axes"]:
    """Images in [0, 1] at the 8-bit levels below them: the originals truncate on their way through 8 bits."""
    # The tiny addend keeps a level that arithmetic left at 254.9999 from becoming the one below.
    return (images.float() * 255 + 1e-3).floor() / 255


def resize_bicubic(images: Float[Tensor, "N 3 H W"], side: int) -> Float32[Tensor, "N 3 {side} {side}"]:
    """Images in [0, 1] at another size and at 8-bit levels, by Pillow on the CPU.

    What lies between two levels is taken to the nearer one first.
    """
    pixels = (images.detach().float() * 255).round().clamp(0, 255).byte().movedim(1, -1).cpu().numpy()
    resized = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in pixels]
    stacked = torch.from_numpy(np.stack(resized)).movedim(-1, 1).contiguous()
    return stacked.to(images.device).float() / 255


def crop_head(images: Float[Tensor, "B 3 s s"]) -> Float32[Tensor, "B 3 s s"]:
    """The top third, middle third of images in [0, 1], enlarged to their size at 8-bit levels: what
    PSHuman's face view is given.
    """
    side, third = images.shape[-1], images.shape[-1] // 3
    return resize_bicubic(quantize(images[..., :third, third : 2 * third]), side)
