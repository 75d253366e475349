"""What the quality filters measure of a drawn window: thumbnails, silhouettes and how they fit the posed body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion, binary_fill_holes

from drpose_ray.body.silhouette import draw_silhouette
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.drawing.pictures import on_white
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.geometry.cameras import Frame, project
from drpose_ray.metrics.silhouettes import silhouette_iou


@dataclass(frozen=True)
class Thumbnail:
    """One drawn frame made small.

    Attributes:
        color: (s, s, 3) in [0, 1], on white.
        person: (s, s) bool, where the person was drawn.
        closed: whether holes of ``person`` were filled: without alpha they may be white clothes.
    """

    color: NDArray[np.float32]
    person: NDArray[np.bool_]
    closed: bool


def take_thumbnail(pixels: NDArray[np.uint8], size: int, white_tolerance: float) -> Thumbnail:
    """``pixels`` (H, W, 3 or 4) at ``size``, or at their own size if that is smaller.

    The person is where alpha is at least half. Without alpha it is what differs from white by more than
    ``white_tolerance`` of the range in some channel, holes filled.
    """
    side, closed = min(size, *pixels.shape[:2]), pixels.shape[-1] == 3
    color = on_white(pixels)
    if closed:  # before it is made small: edges that mix with white would widen the person by a pixel
        coverage = np.where((255 - color).max(-1) > white_tolerance * 255, np.uint8(255), np.uint8(0))
    else:
        coverage = pixels[..., 3]
    person = _shrink(coverage, side) >= 128
    if closed:
        person = binary_fill_holes(person)
    return Thumbnail(_shrink(color, side).astype(np.float32) / np.float32(255), person, closed)


def _shrink(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H, W[, 3]) -> (side, side[, 3]) by the mean over each pixel's area."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def brightness_and_contrast(thumbnail: Thumbnail) -> tuple[float, float]:
    """Of the person's luminance (Rec. 601) in [0, 1]: 95th percentile, and how far the 5th lies below it.

    The person must be there. Its outline is left out where it is wide enough, being mixed with the white around.
    """
    core = binary_erosion(thumbnail.person, np.ones((3, 3)))
    luminance = thumbnail.color[core if core.any() else thumbnail.person] @ np.array([0.299, 0.587, 0.114], np.float32)
    dark, bright = np.percentile(luminance, (5, 95))
    return float(bright), float(bright - dark)


def border_share(person: NDArray[np.bool_]) -> float:
    """Share of the outline of ``person`` (s, s) that is cut by the picture's border; 0 without a person."""
    outline = person & ~binary_erosion(person)  # outside counts as background, so the border is outline
    inner = outline[1:-1, 1:-1].sum()
    total = outline.sum()
    return float((total - inner) / total) if total else 0.0


def agreement_with_body(thumbnail: Thumbnail, record: SequenceRecord, frame: int, body: Body) -> float:
    """Intersection over union of the drawn person and the unclothed body in the frame's pose, through its camera."""
    assert record.camera is not None  # a drawn frame has one
    vertices, _ = body.pose(record.motion[frame])
    view = Frame(np.array(record.camera.center_world[frame]), record.camera.width_m[frame])
    posed = draw_silhouette(vertices, body.faces, view, record.camera.azimuth_deg, len(thumbnail.person))
    if thumbnail.closed:
        posed = binary_fill_holes(posed)
    return float(silhouette_iou(torch.from_numpy(posed), torch.from_numpy(thumbnail.person), of_nothing=0.0))


def movement(record: SequenceRecord) -> NDArray[np.float64]:
    """(F, F) how far the joint that moves most moves between two frames, in widths of the picture; NaN of NaN."""
    assert record.camera is not None
    joints = project(
        torch.from_numpy(record.joints_world).double(),
        torch.tensor(record.camera.center_world, dtype=torch.float64),
        torch.tensor(record.camera.width_m, dtype=torch.float64),
        torch.tensor([record.camera.azimuth_deg], dtype=torch.float64),
    )[:, 0].numpy()
    distance: NDArray[np.float64] = np.linalg.norm(joints[:, None] - joints[None], axis=-1).max(-1)
    return distance


def difference(one: Thumbnail, other: Thumbnail) -> float:
    """Mean absolute difference of colours in [0, 1] over the pixels that show the person in either."""
    either = one.person | other.person
    return float(np.abs(one.color[either] - other.color[either]).mean()) if either.any() else 0.0


def find_frozen(
    thumbnails: Sequence[Thumbnail | None], moved: NDArray[np.float64], min_movement: float, max_difference: float
) -> list[bool]:
    """Frames drawn like an earlier one although the pose moved; ``None`` is compared with nothing.

    Args:
        moved: (F, F) as ``movement`` gives it.
        min_movement: from which movement on pictures have to differ.
        max_difference: up to which ``difference`` two pictures are the same.
    """
    frozen = [False] * len(thumbnails)
    for frame, thumbnail in enumerate(thumbnails):
        frozen[frame] = thumbnail is not None and any(
            earlier is not None
            and moved[frame, number] >= min_movement
            and difference(thumbnail, earlier) <= max_difference
            for number, earlier in enumerate(thumbnails[:frame])
        )
    return frozen
