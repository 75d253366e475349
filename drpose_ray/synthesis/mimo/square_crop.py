"""Cropping, padding to a square and resizing, and what that does to points and cameras
(docs/facts/mimo.md, 2.3, 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.synthesis.mimo.camera import Pinhole


@dataclass(frozen=True)
class SquareCrop:
    """The box ``left, top, right, bottom`` of an image in pixels (right and bottom excluded), centred on a square.

    The square's side is the longer side of the box, rounded up to a multiple of 16. Points are continuous image
    coordinates: the first pixel reaches from 0 to 1, so that resizing multiplies them.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        """Of the square, in pixels before resizing."""
        return -(-max(self.right - self.left, self.bottom - self.top) // 16) * 16

    @property
    def offset(self) -> tuple[int, int]:
        """What is added to x and y on the way from the image to the square."""
        pad_x = (self.side - (self.right - self.left)) // 2
        pad_y = (self.side - (self.bottom - self.top)) // 2
        return pad_x - self.left, pad_y - self.top

    def cut(self, image: Image.Image, fill: int) -> Image.Image:
        """The square at its own size; ``fill`` (0 to 255) grey around the box."""
        square = Image.new("RGB", (self.side, self.side), (fill, fill, fill))
        x, y = self.offset
        square.paste(image.crop((self.left, self.top, self.right, self.bottom)), (self.left + x, self.top + y))
        return square

    def points(self, uv: NDArray[np.floating], size: int) -> NDArray[np.float64]:
        """Points (..., 2) of the image in the square resized to ``size``."""
        return (np.asarray(uv, np.float64) + self.offset) * (size / self.side)

    def camera(self, camera: Pinhole, size: int) -> Pinhole:
        """The camera of the square resized to ``size``."""
        scale, (x, y) = size / self.side, self.offset
        return Pinhole(camera.fx * scale, camera.fy * scale, (camera.cx + x) * scale, (camera.cy + y) * scale)
