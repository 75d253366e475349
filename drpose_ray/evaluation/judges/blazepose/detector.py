"""BlazePose's detector: where in a picture people are, how large, and how they are turned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from drpose_ray.evaluation.judges.blazepose.crop import Crop
from drpose_ray.evaluation.judges.blazepose.network import BLAZEPOSE_FOLDER, DETECTOR_FILE, Network
from drpose_ray.evaluation.judges.blazepose.pictures import checked_picture

# As in MediaPipe's graphs pose_detection_cpu and pose_detection_to_roi (mediapipe 0.10.21).
_SIDE: Final = 224
_ANCHORS: Final = ((28, 2), (14, 2), (7, 6))  # cells across the picture, anchors a cell
_FOUND: Final = 0.5  # least score of somebody
_OVERLAP: Final = 0.3  # intersection over union above which two boxes show one person
_HIPS, _END = 0, 1  # points: the middle of the hips, and one on the circle around it that holds the whole person
_MARGIN: Final = 1.25


@dataclass(frozen=True)
class Person:
    """Somebody in a picture: ``score`` in 0..1; ``head`` (left, top, right, bottom) in pixels, a square around head and
    neck, for BlazePose bounds no more; and ``whole``, the turned square around the hips that holds the whole person,
    head up. Where that reaches far beyond the picture, part of the person does.
    """

    score: float
    head: Float64[NDArray[np.float64], 4]
    whole: Crop


class PersonFinder:
    """Finds the people in any picture."""

    def __init__(self, folder: Path = BLAZEPOSE_FOLDER) -> None:
        self._network = Network(folder, DETECTOR_FILE)

    def find(self, picture: Tensor) -> list[Person]:
        """The people in ``picture`` (3, H, W), uint8 or float in [0, 1], the surest first; none if nobody is found.

        BlazePose was made for one or two people at some metres; small ones in a crowd are missed.
        Raises InputError if this is no picture.
        """
        values = checked_picture(picture)
        height, width = values.shape[1:]
        longest = max(height, width)
        scale = _SIDE / longest
        margin = np.array([(longest - width) / 2, (longest - height) / 2])  # black, left and above, in pixels
        rows, logits = (answer[0] for answer in self._network(_letterboxed(values)))
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -100, 100)))
        likely = scores >= _FOUND
        found = _suppress(_decode(rows[likely].astype(np.float64), _anchor_centers()[likely]), scores[likely])
        return [_person(score, points / scale - margin) for score, points in found]


def _letterboxed(picture: Float[Tensor, "3 H W"]) -> NDArray[np.float32]:
    """The network's input (1, 224, 224, 3), -1 to 1: the whole picture, black beside it."""
    height, width = (max(1, round(n * _SIDE / max(picture.shape[1:]))) for n in picture.shape[1:])
    small = F.interpolate(picture[None], (height, width), mode="bilinear", antialias=True, align_corners=False)
    left, top = (_SIDE - width) // 2, (_SIDE - height) // 2
    boxed = F.pad(small, (left, _SIDE - width - left, top, _SIDE - height - top))
    return (boxed * 2 - 1).permute(0, 2, 3, 1).contiguous().numpy()


def _anchor_centers() -> Float64[NDArray[np.float64], "A 2"]:
    """Centres (2254, 2) of the anchors, 0 to 1, in the order of the network's rows."""
    layers = []
    for cells, times in _ANCHORS:
        y, x = np.meshgrid(*2 * [(np.arange(cells) + 0.5) / cells], indexing="ij")
        layers.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), times, axis=0))
    return np.concatenate(layers)


def _decode(
    rows: Float64[NDArray[np.float64], "n 12"], anchors: Float64[NDArray[np.float64], "n 2"]
) -> Float64[NDArray[np.float64], "n 6 2"]:
    """Points in pixels of the network's input: the box's top left and bottom right corner, then the four points."""
    center, size = rows[:, 0:2] + anchors * _SIDE, rows[:, 2:4]
    points = rows[:, 4:].reshape(-1, 4, 2) + anchors[:, None] * _SIDE
    return np.concatenate([np.stack([center - size / 2, center + size / 2], 1), points], 1)


def _suppress(
    points: Float64[NDArray[np.float64], "n 6 2"], scores: Float64[NDArray[np.float64], " n"]
) -> list[tuple[float, Float64[NDArray[np.float64], "6 2"]]]:
    """One answer for boxes that overlap: the best one's score, and the mean of their points weighted by score."""
    found, left = [], np.argsort(-scores, kind="stable")
    while len(left):
        best = points[left[0]]
        inside = (np.minimum(points[left, 1], best[1]) - np.maximum(points[left, 0], best[0])).clip(0).prod(-1)
        union = (points[left, 1] - points[left, 0]).prod(-1) + (best[1] - best[0]).prod(-1) - inside
        same = inside > _OVERLAP * union
        same[0] = True
        found.append((float(scores[left[0]]), np.average(points[left[same]], 0, scores[left[same]])))
        left = left[~same]
    return found


def _person(score: float, points: Float64[NDArray[np.float64], "6 2"]) -> Person:
    hips, end = points[2 + _HIPS], points[2 + _END]
    x, y = end - hips
    angle = float(np.pi / 2 - np.arctan2(-y, x))  # upright where the end lies above the hips
    return Person(score, points[:2].reshape(4), Crop(hips, float(2 * np.hypot(x, y) * _MARGIN), angle))
