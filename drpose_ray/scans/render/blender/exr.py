"""Multilayer EXR files as Blender writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

NO_DEPTH = 1e9
"""Blender writes 1e10 where there is nothing."""


def read_passes(path: Path) -> dict[str, NDArray[np.float32]]:
    """The passes Combined (h, w, 4), Normal (h, w, 3) and Depth (h, w).

    Blender 4 writes one part with all channels, 5 one part per pass; channels are called ``ViewLayer.Normal.X`` in
    both. Raises ValueError if the file is none, is torn, or lacks a pass.
    """
    channels: dict[str, NDArray[np.float32]] = {}
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            for part in file.parts:
                for name, channel in part.channels.items():
                    channels[".".join(name.split(".")[-2:])] = np.asarray(channel.pixels, np.float32)
    except (RuntimeError, OSError, TypeError) as error:
        raise ValueError(f"{path.name} is not a whole EXR file ({error})") from error
    try:
        return {
            "Combined": np.stack([channels[f"Combined.{c}"] for c in "RGBA"], -1),
            "Normal": np.stack([channels[f"Normal.{c}"] for c in "XYZ"], -1),
            "Depth": channels["Depth.Z" if "Depth.Z" in channels else "Depth.V"],
        }
    except KeyError as error:
        raise ValueError(f"{path.name} lacks the channel {error}") from error
