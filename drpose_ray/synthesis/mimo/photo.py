"""The reference photo as MIMO wants it: the cut-out person on a white square
(docs/facts/mimo.md, 2.3, steps 2 to 6).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.cutout import IMAGE_ENDINGS, list_cutouts, read_cutout
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.square_crop import SquareCrop

define_missing_operators()
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD  # noqa: E402 - needs the operators declared


def list_photos(folder: Path) -> tuple[Path, ...]:
    """The images of a folder by name (``core.files.cutout.list_cutouts``). Raises InputError if there are none."""
    found, left_out = list_cutouts(folder, "photos")
    if not found:
        raise InputError(
            "no photos", file=folder, field="photos", value=left_out or None,
            remedy=f"give a folder with {', '.join(IMAGE_ENDINGS)} files with transparency",
        )  # fmt: skip
    return tuple(found)


def read_photo(path: Path) -> Image.Image:
    """The square of ``cut_out`` of an image file. Raises InputError as ``read_cutout`` and ``cut_out`` do."""
    return cut_out(read_cutout(path), path)


def cut_out(rgba: Image.Image, path: Path | None = None) -> Image.Image:
    """The person on white, cropped with a margin of a twentieth of its height above and below, padded to a square.

    Raises InputError if nothing or everything is opaque.
    """
    pixels = np.asarray(rgba, np.float64)
    opaque = pixels[..., 3] > 0
    if not opaque.any() or (pixels[..., 3] == 255).all():
        raise InputError(
            "nothing is cut out: the photo is transparent everywhere or nowhere", file=path, field="alpha",
            value=f"{opaque.mean():.0%} opaque", remedy="remove the background and save as RGBA",
        )  # fmt: skip
    alpha = pixels[..., 3:] / 255
    on_white = Image.fromarray((pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    margin = int(0.05 * (bottom - top))
    crop = SquareCrop(int(columns[0]), max(top - margin, 0), int(columns[-1]) + 1, min(bottom + margin, rgba.height))
    return crop.cut(on_white, fill=255)


def for_image_encoder(square: Image.Image, side: int) -> torch.Tensor:
    """(3, side, side) as CLIP's own preprocessor leaves it: bicubic, then its channel statistics."""
    pixels = _tensor(square.resize((side, side), Image.Resampling.BICUBIC))
    mean, std = (torch.tensor(x)[:, None, None] for x in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return (pixels - mean) / std


def for_vae(square: Image.Image, size: int) -> torch.Tensor:
    """(3, size, size) in [0, 1]; ``ImageVAE`` takes it to [-1, 1]."""
    return _tensor(square.resize((size, size), Image.Resampling.LANCZOS))


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).movedim(-1, 0).float() / 255
