"""The outside judge of pose: 12 joints from six views, read by networks that know nothing of this project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from drpose_ray.core.errors import InputError
from drpose_ray.evaluation.judges.blazepose.detector import PersonFinder
from drpose_ray.evaluation.judges.blazepose.landmarks import LandmarkReader
from drpose_ray.evaluation.judges.blazepose.network import BLAZEPOSE_FOLDER
from drpose_ray.evaluation.judges.blazepose.pictures import checked_picture, checked_values
from drpose_ray.evaluation.judges.blazepose.triangulate import triangulate
from drpose_ray.geometry.cameras import NUM_VIEWS, VIEW_AZIMUTHS_DEG
from drpose_ray.geometry.skeleton import JOINT_NAMES
from drpose_ray.metrics.joints import mean_distance_cm

_LANDMARKS: Final = {
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip
JUDGED_JOINTS: Final = tuple(JOINT_NAMES.index(name) for name in _LANDMARKS)
"""Rows of the 23 joints that BlazePose names too, in the order in which it does."""
_HIPS: Final = [list(_LANDMARKS).index(name) for name in ("left_hip", "right_hip")]
_PRESENT: Final = 0.5  # MediaPipe's threshold on the landmark network's own score
_AGREEING_CM: Final = 8.0  # no standing person has a larger residual, one in four to eight dancing ones has
_OVERDETERMINED: Final = 3  # views; two always agree


@dataclass(frozen=True)
class Judgement:
    """What BlazePose reads of N people: ``joints`` (N, 12, 3), metres in the input camera's axes relative to the
    middle of the hips, NaN of people whom too few views show; ``found`` (N, V) whether a view shows somebody; and
    ``residual_cm`` (N,), how far the views' points are from the joints' projections: large where they disagree.
    """

    joints: Float[Tensor, "N 12 3"]
    found: Bool[Tensor, "N V"]
    residual_cm: Float[Tensor, " N"]

    @property
    def read(self) -> Bool[Tensor, " N"]:
        """Whom BlazePose could read: three views or more show the person, and they agree to 8 cm.

        Decide it on true pictures, for all that are compared with them: pictures that are left out because they
        cannot be read are not better than others.
        """
        return (self.found.sum(1) >= _OVERDETERMINED) & (self.residual_cm <= _AGREEING_CM)

    def errors_cm(self, true_joints: Float[Tensor, "N 23 3"]) -> Float[Tensor, " N"]:
        """Mean distance of the 12 joints (N,), the middles of the hips aligned; NaN of people who were not read.

        BlazePose knows no pelvis, so the root is its nearest kin. ``true_joints`` are metres in the camera's axes.
        """
        return mean_distance_cm(self.joints, relative_to_hips(true_joints[:, JUDGED_JOINTS].to(self.joints)))


class BlazePoseJudge:
    """Detector, landmarks and triangulation."""

    def __init__(self, folder: Path = BLAZEPOSE_FOLDER) -> None:
        self._finder, self._reader = PersonFinder(folder), LandmarkReader(folder)

    def judge(self, images: Tensor, width_m: Float[Tensor, " N"]) -> Judgement:
        """Read people of whom ``images`` (N, V=6, 3, s, s), uint8 or float in [0, 1], show the rig's six views.

        ``width_m`` is what a picture shows, in metres across. Raises InputError if these are no such pictures.
        """
        people = _checked(images, width_m)
        points = torch.zeros(*people.shape[:2], len(_LANDMARKS), 2, dtype=torch.float64)
        weights = torch.zeros(points.shape[:-1], dtype=torch.float64)
        for n, v in torch.cartesian_prod(torch.arange(people.shape[0]), torch.arange(people.shape[1])):
            points[n, v], weights[n, v] = self._read(people[n, v])
        positions, missed = triangulate(points, weights, torch.tensor(VIEW_AZIMUTHS_DEG))
        width = width_m.detach().cpu().double()
        residual = (weights * missed).sum((1, 2)) / weights.sum((1, 2))
        return Judgement(
            relative_to_hips(positions * width[:, None, None]).float(),
            weights.amax(2) > 0,
            (100 * width * residual).float(),
        )

    def _read(self, picture: Float[Tensor, "3 s s"]) -> tuple[Tensor, Tensor]:
        """The 12 joints (12, 2) in frame units and their weights (12,): all 0 where nobody is found."""
        people = self._finder.find(picture)
        if not people:
            return torch.zeros(len(_LANDMARKS), 2), torch.zeros(len(_LANDMARKS))
        skeleton = self._reader.read(picture, people[0].whole)
        rows = list(_LANDMARKS.values())
        seen = skeleton.visibility[rows] * (skeleton.presence >= _PRESENT)
        return torch.from_numpy(skeleton.points[rows] / picture.shape[-1]), torch.from_numpy(seen)


def relative_to_hips(joints: Float[Tensor, "N 12 3"]) -> Float[Tensor, "N 12 3"]:
    """The 12 joints minus the middle of the two hips."""
    return joints - joints[:, _HIPS].mean(1, keepdim=True)


def _checked(images: Tensor, width_m: Tensor) -> Tensor:
    if images.ndim != 5 or images.shape[1] != NUM_VIEWS or images.shape[-1] != images.shape[-2] or not len(images):
        raise InputError(
            "images are not people in six views", field="images", value=tuple(images.shape),
            remedy=f"give (N, {NUM_VIEWS}, 3, s, s) of one domain, in the order of VIEW_NAMES",
        )  # fmt: skip
    if width_m.shape != images.shape[:1] or not (width_m.isfinite() & (width_m > 0)).all():
        raise InputError(
            "widths do not fit the images",
            field="width_m",
            value=width_m.tolist(),
            remedy="give metres for each person",
        )
    checked_picture(images[0, 0])
    return checked_values(images)
