"""From the model's images to six true views in two domains, and to files (docs/facts/i2mv.md, 2.5)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.core.drawing.pictures import grid, on_white, to_pixels
from drpose_ray.core.files.publish import write_json
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.geometry.silhouettes import foreground
from drpose_ray.geometry.view_sets import ViewSet

DOMAINS: Final = ("normal", "color")
MARKER: Final = "views.json"
"""Written last: a folder that has it holds all twelve images."""


@dataclass(frozen=True)
class Views:
    """Six views of one person in RGBA, uint8 (6, s, s, 4); normals in the front camera's frame, ``(n + 1) / 2``."""

    name: str
    normal: NDArray[np.uint8]
    color: NDArray[np.uint8]


@dataclass(frozen=True)
class FailedViews:
    """A photo that has no views, and why."""

    name: str
    problem: str


def finish_views(
    name: str, images: torch.Tensor, view_set: ViewSet, front_color: NDArray[np.uint8] | None = None
) -> Views:
    """Model images (M, V, 3, s, s) in [0, 1] -> views.

    Mirrored slots are turned back, the face view's normals go into the front view's head, and the background becomes
    transparent: the normals' silhouette cuts out both domains, since white clothes are no background.

    Args:
        front_color: (s, s, 3), the input itself, in place of the front colour view.
    """
    true = view_set.to_true_views(images, view_axis=1).clone()
    if view_set.face:
        third = images.shape[-1] // 3
        # Without antialiasing, as everywhere in the original: of three pixels the middle one.
        face = F.interpolate(images[0, -1:], (third, third), mode="bilinear", align_corners=False)
        true[0, 0, :, :third, third : 2 * third] = face[0]
    silhouettes = foreground(true[0])
    normal, color = (_to_rgba(domain, silhouettes) for domain in true)
    if front_color is not None:
        color[0] = np.dstack([front_color, np.where((front_color < 255).any(-1), 255, 0).astype(np.uint8)])
    return Views(name, normal, color)


def write_views(views: Views, folder: Path, record: dict[str, Any]) -> None:
    """Publish ``<folder>/<name>/``: ``{normal,color}_<view>.png``, a sheet of all, and ``record`` in the marker."""
    target, temporary = folder / views.name, folder / f".{views.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for domain in DOMAINS:
            for view, pixels in zip(VIEW_NAMES, getattr(views, domain), strict=True):
                Image.fromarray(pixels).save(temporary / f"{domain}_{view}.png")
        draw_sheet(views).save(temporary / "sheet.png")
        write_json(temporary / MARKER, {**record, "views": list(VIEW_NAMES), "domains": list(DOMAINS)})
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def draw_sheet(views: Views) -> Image.Image:
    """All twelve side by side on white, normals above colours."""
    return Image.fromarray(on_white(grid([getattr(views, domain) for domain in DOMAINS])))


def _to_rgba(images: torch.Tensor, silhouettes: torch.Tensor) -> NDArray[np.uint8]:
    return to_pixels(torch.cat([images, silhouettes[:, None].to(images)], 1))
