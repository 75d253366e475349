"""The sRGB curve, between colours as files store them and light as renderers add it up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(color: NDArray[np.floating]) -> NDArray[np.float32]:
    """The curve backwards, of values in [0, 1]."""
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def linear_to_srgb(light: NDArray[np.floating]) -> NDArray[np.float32]:
    """The curve, of light in [0, 1]; outside it goes on, so that a check can still find what is no light."""
    curve = 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curve).astype(np.float32)
