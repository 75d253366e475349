"""Pictures beside each other, and as PNG: what every contact sheet, overlay and report is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3 or 4) -> (H, W, 3): straight alpha composited on white."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
