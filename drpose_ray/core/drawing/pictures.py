"""Pictures beside each other, and as PNG: what every contact sheet, overlay and report is made of."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Row = Sequence[NDArray[np.uint8] | None] | NDArray[np.uint8]
"""Cells (h, w, C) of one shape from left to right, also as one array (cells, h, w, C)."""


def grid(rows: Sequence[Row] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, C): one row below the other; white where a cell is None or a row ends early."""
    white = np.full_like(next(cell for row in rows for cell in row if cell is not None), 255)
    columns = max(map(len, rows))
    filled = [[white if cell is None else cell for cell in (*row, *[None] * (columns - len(row)))] for row in rows]
    return np.vstack([np.hstack(row) for row in filled])


def to_pixels(images: torch.Tensor) -> NDArray[np.uint8]:
    """(…, C, h, w) in [0, 1] -> (…, h, w, C); what lies outside is cut off."""
    values = images.float().clamp(0, 1).movedim(-3, -1).cpu().numpy()
    return np.asarray((values * 255).round().astype(np.uint8))


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3 or 4) -> (H, W, 3): straight alpha composited on white."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def as_png(picture: Image.Image | NDArray[np.uint8], num_colors: int | None = None) -> bytes:
    """A small file, smaller still with a palette of ``num_colors``."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    (image.quantize(num_colors) if num_colors else image).save(stream, format="png", optimize=True)
    return stream.getvalue()
