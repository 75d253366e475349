"""A turned square of a picture: cut out for the network, and from its answer back to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Crop:
    """A square of a picture: ``center`` (x, y), ``size`` of a side, all in pixels with the origin at the top left
    corner, and ``angle`` in radians, by which the square's own x axis is turned from the picture's, x towards y.
    """

    center: Float64[NDArray[np.float64], 2]
    size: float
    angle: float

    def to_picture(self, points: Float64[NDArray[np.float64], "*n 2"]) -> Float64[NDArray[np.float64], "*n 2"]:
        """Points of the square, 0 to 1 across it, in pixels of the picture."""
        return self.center + (points - 0.5) * self.size @ self._axes()

    def cut(self, picture: Float[Tensor, "3 H W"], side: int) -> Float32[NDArray[np.float32], "1 side side 3"]:
        """The square at ``side`` pixels. Outside the picture, its border goes on."""
        if (shrink := int(self.size / side)) > 1:  # averages over the pixels that bilinear sampling would skip
            return Crop(self.center / shrink, self.size / shrink, self.angle).cut(
                F.avg_pool2d(picture[None], shrink, ceil_mode=True)[0], side
            )
        height, width = picture.shape[1:]
        axes = torch.tensor(self._axes().T * self.size / [[width], [height]], dtype=torch.float32)
        middle = torch.tensor(2 * self.center / [width, height] - 1, dtype=torch.float32)
        grid = F.affine_grid(torch.cat([axes, middle[:, None]], 1)[None], [1, 3, side, side], align_corners=False)
        cut = F.grid_sample(picture[None].float(), grid, padding_mode="border", align_corners=False)
        return cut.permute(0, 2, 3, 1).contiguous().numpy()

    def _axes(self) -> Float64[NDArray[np.float64], "2 2"]:
        """The square's x and y axis as rows."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, sine], [-sine, cosine]])
