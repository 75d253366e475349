"""The judgement: every model on the same poses with the same noise, one row per pose, then the claims.

PoseScore is what DrPose optimises and can be gamed. The other columns cannot see it: an independently trained estimator
reads the pose from decoded images, and silhouettes, normals and colours are compared with ground-truth renders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.cameras import NUM_VIEWS, VIEW_NAMES
from drpose_ray.geometry.silhouettes import foreground
from drpose_ray.metrics.images import psnr_db, sharpness, ssim
from drpose_ray.metrics.normals import normal_angle_deg, normal_error_deg
from drpose_ray.metrics.silhouettes import silhouette_iou

NORMAL, COLOR = 0, 1
NOVEL_VIEWS: Final = tuple(v for v in range(NUM_VIEWS) if VIEW_NAMES[v] != "front")
"""The front view is the input image; only the other five tell what a model invents."""


@dataclass(frozen=True)
class Metric:
    """One column of the judgement. Image metrics are means over the five novel views of a pose."""

    key: str
    title: str
    unit: str
    higher_is_better: bool
    decimals: int
    meaning: str


METRICS: Final = (
    Metric("pose_score", "PoseScore", "", True, 4, "Eq. 1, the reward: minus the distance of two skeleton images"),
    Metric("mpjpe_cm", "pose error", "cm", False, 2, "independent estimator, mean joint distance, pelvis aligned"),
    Metric("iou", "silhouette IoU", "", True, 3, "mean of the two rows below"),
    Metric("iou_normal", "IoU, normals", "", True, 3, "normal image's silhouette against the true one"),
    Metric("iou_colour", "IoU, colour", "", True, 3, "colour image's silhouette against the true one"),
    Metric("normal_error_deg", "normal error", "deg", False, 2, "mean angle over the true silhouette; 90 where missed"),
    Metric("normal_angle_deg", "normal angle, overlap", "deg", False, 2, "only where both silhouettes show the person"),
    Metric("psnr_normal_db", "PSNR normals", "dB", True, 2, "full frame, data range 1"),
    Metric("psnr_colour_db", "PSNR colour", "dB", True, 2, "full frame, data range 1"),
    Metric("ssim_normal", "SSIM normals", "", True, 4, "11 x 11 Gaussian window, full frame"),
    Metric("ssim_colour", "SSIM colour", "", True, 4, "11 x 11 Gaussian window, full frame"),
    Metric("mask_agreement", "mask agreement", "", True, 3, "IoU of the normal and colour silhouettes of one output"),
    Metric("sharpness", "sharpness", "", True, 3, "edge energy against the truth's, the smaller through the larger"),
)  # fmt: skip

METRIC: Final = {metric.key: metric for metric in METRICS}
"""The same by key."""


@dataclass(frozen=True)
class PoseSet:
    """Ground truth of the poses to judge on.

    Attributes:
        name: "challenging" or "standing".
        people: with images in [0, 1]; the models are given the front view in colour.
        masks: (B, V, s, s) bool, the true silhouettes.
        target_maps: (B, V, 23, k, k) skeleton maps of Eq. 1.
    """

    name: str
    people: PosedPeople
    masks: torch.Tensor
    target_maps: torch.Tensor

    @property
    def input_images(self) -> torch.Tensor:
        """(B, 3, s, s)"""
        return self.people.images[:, COLOR, VIEW_NAMES.index("front")]

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError("a pose set is empty", field=self.name, remedy="synthesize held-out windows first")
        lengths = {len(part) for part in (self.people.sample_ids, self.people.images, self.masks, self.target_maps)}
        if lengths != {len(self)}:
            raise InputError("a pose set's parts differ in length", field=self.name, value=sorted(lengths),
                             remedy="give every pose its images, masks, joints and maps")  # fmt: skip

    def __len__(self) -> int:
        return len(self.people)


@dataclass(frozen=True)
class PoseTable:
    """What one model did on one pose set: a value per metric and pose."""

    model: str
    pose_set: str
    sample_ids: tuple[str, ...]
    groups: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    """metric key -> (B,)"""

    def mean(self, key: str) -> float:
        return float(self.values[key].mean())


DecodeFn = Callable[[torch.Tensor], torch.Tensor]
"""latents (M, B, V, 4, h, w) -> images (B, M, V, 3, s, s) in [0, 1]"""
ScoreFn = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(latents_x0 (M, B, V, 4, h, w), target maps (B, V, 23, k, k)) -> PoseScore (B,)"""
PoseErrorFn = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(images (B, M, V, 3, s, s), width_m (B,), joints (B, 23, 3)) -> mean joint error (B,) in centimetres"""


@torch.no_grad()
def evaluate_model(
    model: str,
    latents_batches: Iterable[torch.Tensor],
    poses: PoseSet,
    *,
    decode_fn: DecodeFn,
    score_fn: ScoreFn,
    pose_error_fn: PoseErrorFn,
) -> PoseTable:
    """Judge what one model generated for ``poses``.

    Args:
        model: name in tables.
        latents_batches: latents (M, b, V, 4, h, w) of consecutive poses, any batch sizes, in the order of ``poses``.
            Draw the initial noise per sample id, so that all models start from the same one.

    Raises InputError if the latents do not cover the poses exactly.
    """
    rows: list[dict[str, torch.Tensor]] = []
    begin = 0
    for latents in latents_batches:
        chunk = slice(begin, begin + latents.shape[1])
        if chunk.stop > len(poses):
            raise _not_covered(model, chunk.stop, poses)
        people, images = poses.people.rows(chunk), decode_fn(latents).float().cpu()
        if not (latents.isfinite().all() and images.isfinite().all()):
            raise InputError(
                "what the model draws is not finite: it would be judged as black pictures", field=model,
                value=people.sample_ids, remedy="check the model's weights, or train it again",
            )  # fmt: skip
        rows.append(
            {
                "pose_score": score_fn(latents, poses.target_maps[chunk]),
                "mpjpe_cm": pose_error_fn(images, people.width_m, people.joints),
                **measure_images(images, people.images, poses.masks[chunk]),
            }
        )
        begin = chunk.stop
    if not rows or begin != len(poses):
        raise _not_covered(model, begin, poses)
    values = {metric.key: torch.cat([row[metric.key] for row in rows]).double().cpu().numpy() for metric in METRICS}
    return PoseTable(model, poses.name, poses.people.sample_ids, poses.people.keys, values)


def measure_images(images: torch.Tensor, truth: torch.Tensor, truth_masks: torch.Tensor) -> dict[str, torch.Tensor]:
    """Image metrics, means over the novel views: (B, M, V, 3, s, s) twice and (B, V, s, s) bool -> (B,) per key."""
    novel = list(NOVEL_VIEWS)
    normals, colors = images[:, NORMAL, novel], images[:, COLOR, novel]
    truth_normals, truth_colors = truth[:, NORMAL, novel], truth[:, COLOR, novel]
    truth_masks = truth_masks[:, novel]
    normal_mask, color_mask = foreground(normals), foreground(colors)
    per_view = {
        "iou_normal": silhouette_iou(normal_mask, truth_masks),
        "iou_colour": silhouette_iou(color_mask, truth_masks),
        "normal_angle_deg": normal_angle_deg(normals, truth_normals, normal_mask & truth_masks),
        "normal_error_deg": normal_error_deg(normals, truth_normals, normal_mask, truth_masks),
        "psnr_normal_db": psnr_db(normals, truth_normals),
        "psnr_colour_db": psnr_db(colors, truth_colors),
        "ssim_normal": ssim(normals, truth_normals),
        "ssim_colour": ssim(colors, truth_colors),
        "mask_agreement": silhouette_iou(normal_mask, color_mask),
        "sharpness": sharpness(images[:, :, novel], truth[:, :, novel]).mean(1),
    }
    per_pose = {key: value.mean(-1) for key, value in per_view.items()}
    return {**per_pose, "iou": (per_pose["iou_normal"] + per_pose["iou_colour"]) / 2}


def _not_covered(model: str, num: int, poses: PoseSet) -> InputError:
    return InputError(
        "latents do not cover the pose set",
        field=model,
        value=f"{num} latents for {len(poses)} poses",
        remedy="sample one latent per pose, in the pose set's order",
    )
