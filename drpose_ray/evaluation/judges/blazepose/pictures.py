"""What may be shown to BlazePose."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from drpose_ray.core.errors import InputError

_LEAST_SIDE = 32  # pixels: of fewer, nobody can be read


def checked_picture(picture: Tensor) -> Float[Tensor, "3 H W"]:
    """``picture`` as float32 in [0, 1] on the CPU. Raises InputError if it is not (3, H, W), uint8 or in [0, 1]."""
    if picture.ndim != 3 or picture.shape[0] != 3 or min(picture.shape[1:]) < _LEAST_SIDE:
        raise InputError(
            "this is no picture that BlazePose can look at", field="shape", value=tuple(picture.shape),
            remedy=f"give (3, H, W), each side of {_LEAST_SIDE} pixels or more",
        )  # fmt: skip
    return checked_values(picture)


def checked_values(images: Tensor) -> Float[Tensor, "*axes"]:
    """``images`` of any shape as float32 in [0, 1] on the CPU. Raises InputError if they are something else."""
    images = images.detach().cpu()
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not images.is_floating_point():
        raise InputError(
            "pictures are uint8 or floating point", field="dtype", value=str(images.dtype), remedy="give one of these"
        )
    low, high = float(images.amin()), float(images.amax())
    if not (low >= 0 and high <= 1):  # NaN fails both comparisons
        raise InputError(
            "floating-point pictures have values in [0, 1]", field="range", value=(low, high),
            remedy="decode and clamp them first; values that are not numbers mean that whatever drew them has failed",
        )  # fmt: skip
    return images.float()
