"""BlazePose's landmark network: 33 points of one person in a crop, and how well each is seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from drpose_ray.evaluation.judges.blazepose.crop import Crop
from drpose_ray.evaluation.judges.blazepose.network import BLAZEPOSE_FOLDER, LANDMARKS_FILE, Network

NUM_LANDMARKS: Final = 33
_SIDE: Final = 256
_CELLS: Final = 64  # of a heatmap, across the crop
_REACH: Final = 3  # cells around a point whose heat moves it, as in MediaPipe's RefineLandmarksFromHeatmap
_WARM: Final = 0.5  # where no cell is as warm, the point stays


@dataclass(frozen=True)
class Skeleton:
    """``points`` (33, 2) x, y in pixels of the picture; ``visibility`` (33,) in 0..1; ``presence``, 0..1, of somebody
    in the crop at all. Left and right are the person's.
    """

    points: Float64[NDArray[np.float64], "33 2"]
    visibility: Float64[NDArray[np.float64], " 33"]
    presence: float


class LandmarkReader:
    """Reads the skeleton of whoever a crop shows; asked about a crop of nobody, it makes somebody up."""

    def __init__(self, folder: Path = BLAZEPOSE_FOLDER) -> None:
        self._network = Network(folder, LANDMARKS_FILE)

    def read(self, picture: Float[Tensor, "3 H W"], crop: Crop) -> Skeleton:
        """The skeleton in ``crop`` of ``picture``, float in [0, 1]."""
        rows, presence, _, heat, _ = self._network(crop.cut(picture, _SIDE))
        landmarks = rows.reshape(-1, 5)[:NUM_LANDMARKS].astype(np.float64)  # x, y, z, visibility, presence; logits
        points = _refined(landmarks[:, :2] / _SIDE, _sigmoid(heat[0].astype(np.float64)))
        return Skeleton(crop.to_picture(points), _sigmoid(landmarks[:, 3]), float(presence.item()))


def _refined(
    points: Float64[NDArray[np.float64], "33 2"], heat: Float64[NDArray[np.float64], "64 64 39"]
) -> Float64[NDArray[np.float64], "33 2"]:
    """Points at the centres of heat around them: a cm nearer on our renders than as the network says them."""
    refined = points.copy()
    for index, (column, row) in enumerate((points * _CELLS).astype(int)):
        if not (0 <= column < _CELLS and 0 <= row < _CELLS):
            continue
        top, left = max(0, row - _REACH), max(0, column - _REACH)
        around = heat[top : row + _REACH + 1, left : column + _REACH + 1, index]
        if around.max() >= _WARM:
            x, y = (np.arange(around.shape[1]) + left, np.arange(around.shape[0])[:, None] + top)
            refined[index] = np.array([(around * x).sum(), (around * y).sum()]) / around.sum() / _CELLS
    return refined


def _sigmoid(logits: Float64[NDArray[np.float64], "*n"]) -> Float64[NDArray[np.float64], "*n"]:
    shares: NDArray[np.float64] = 1 / (1 + np.exp(-logits.clip(-100, 100)))
    return shares
