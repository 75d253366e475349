"""Rendered bodies to the pose guider's input: one crop for the whole clip (docs/facts/mimo.md, 2.4)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.square_crop import SquareCrop

_PERSON_GREY = 10  # a pixel brighter than this, of 255, belongs to the body


def crop_of_clip(frames: NDArray[np.uint8]) -> SquareCrop:
    """The crop that every frame of a clip gets: the union of the bodies' boxes, each with its margins.

    Args:
        frames: (F, H, W, 3), the body on black. Frames without a body are left out of the union.

    Raises InputError if no frame shows a body.
    """
    boxes = [box for frame in frames if (box := _box(frame)) is not None]
    if not boxes:
        raise InputError(
            "no pose image shows a body", field="pose images", value=frames.shape,
            remedy="check the poses' translation and the colour table",
        )  # fmt: skip
    each = np.array(boxes)
    (left, top), (right, bottom) = each[:, :2].min(0), each[:, 2:].max(0)
    # Even sides; docs/facts/mimo.md does not say which pixel goes. The last one stays inside the image.
    return SquareCrop(int(left), int(top), int(right - (right - left) % 2), int(bottom - (bottom - top) % 2))


def pose_input(frames: NDArray[np.uint8], crop: SquareCrop, size: int) -> torch.Tensor:
    """(F, H, W, 3) -> (F, 3, size, size) in [0, 1], black around the crop."""
    squares = [
        np.asarray(crop.cut(Image.fromarray(frame), fill=0).resize((size, size), Image.Resampling.LANCZOS))
        for frame in frames
    ]
    return torch.from_numpy(np.stack(squares)).movedim(-1, 1).float() / 255


def _box(frame: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of one frame's body with a tenth of its height and a twentieth of its width around."""
    body = np.asarray(Image.fromarray(frame).convert("L")) > _PERSON_GREY
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    if not len(rows):
        return None
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    beside, above = int(0.05 * (right - left)), int(0.1 * (bottom - top))
    height, width = body.shape
    return max(left - beside, 0), max(top - above, 0), min(right + beside, width), min(bottom + above, height)
