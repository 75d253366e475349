"""Training of the independent pose estimator on six-view renders with known joints."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from drpose_ray.errors import InputError
from drpose_ray.evaluate.estimator import PoseEstimator, shrink_images
from drpose_ray.evaluate.estimator_config import EstimatorConfig, EstimatorFitSettings
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.metrics.joints import pelvis_aligned_error_cm
from drpose_ray.seeding import derive_seed, torch_stream
from drpose_ray.training.checkpoint import Checkpoint
from drpose_ray.training.fit import Fit, OnUpdate
from drpose_ray.training.validation import Validation

_LOSS_SCALE = 20.0  # frame widths to the order of one: 5 cm in a 2.2 m frame is a loss of about 0.3 per axis


@dataclass(frozen=True)
class ImagePoses:
    """Six-view images with their poses; all on one device, where training then runs."""

    images: torch.Tensor  # (N, M=2, V=6, 3, H, W) uint8, or float in [0, 1]; normals first
    joints_world: torch.Tensor  # (N, 23, 3) metres
    width_m: torch.Tensor  # (N,) metres
    softened: torch.Tensor | None = None  # the images through the VAE, same shape and type

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice) -> ImagePoses:
        softened = None if self.softened is None else self.softened[rows]
        return ImagePoses(self.images[rows], self.joints_world[rows], self.width_m[rows], softened)

    def to(self, device: torch.device) -> ImagePoses:
        """The same on ``device``."""
        softened = None if self.softened is None else self.softened.to(device)
        return ImagePoses(self.images.to(device), self.joints_world.to(device), self.width_m.to(device), softened)

    def relative_joints(self) -> torch.Tensor:
        """What the network predicts: joints (N, 23, 3) minus the pelvis, in frame widths."""
        return ((self.joints_world - self.joints_world[:, :1]) / self.width_m[:, None, None]).float()


def fit_estimator(
    data: ImagePoses,
    config: EstimatorConfig,
    settings: EstimatorFitSettings,
    seed: int,
    on_update: OnUpdate | None = None,
    checkpoint: Checkpoint | None = None,
) -> PoseEstimator:
    """Train an estimator; the same data, settings, seed and thread count give the same weights.

    Store ``data`` at ``config.input_size`` (see ``shrink_images``) to hold a quarter of the pixels.

    Args:
        data: the last ``settings.validation_samples`` rows are held out.
        on_update: called after each update with its 0-based number and its metrics; one that validates adds
            ``validation_mpjpe_cm`` on renders and ``validation_softened_mpjpe_cm`` where softened images are given.
        checkpoint: gone on from, if there is one.

    Returns:
        The averaged weights, in evaluation mode. Raises InputError if ``data`` cannot be trained on.
    """
    _check(data, settings)
    split = len(data) - settings.validation_samples
    training, held_out = data[:split], data[split:]
    targets = training.relative_joints()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "estimator", "weights"))
        estimator = PoseEstimator(config).to(data.images.device)
    estimator.mean_joints.copy_(targets.mean(0))
    draws = torch_stream(seed, "estimator", "draws")

    def loss(_: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        rows = torch.randint(len(training), (settings.samples_per_update,), generator=draws).to(targets.device)
        joints = estimator(_augment(_pick_images(training, rows, settings, draws), config, settings, draws))
        error = F.smooth_l1_loss(joints * _LOSS_SCALE, targets[rows] * _LOSS_SCALE, beta=0.25)
        return error, {"loss": error.detach()}

    validation = None
    if len(held_out):
        validation = Validation[PoseEstimator](lambda one: measure_estimator(one, held_out), settings.validate_every)
    fit = Fit(estimator, settings, loss, {"draws": draws}, validation=validation, checkpoint=checkpoint)
    return fit.run(on_update)


def measure_estimator(estimator: PoseEstimator, data: ImagePoses) -> dict[str, float]:
    """``mpjpe_cm``, and ``softened_mpjpe_cm`` where softened images are given (pelvis-aligned, centimetres)."""
    kinds = {"mpjpe_cm": data.images}
    if data.softened is not None:
        kinds["softened_mpjpe_cm"] = data.softened
    measured = {}
    for name, images in kinds.items():
        batches = zip(*(torch.split(part, 16) for part in (images, data.width_m, data.joints_world)), strict=True)
        errors = [pelvis_aligned_error_cm(estimator.estimate(some, width), joints) for some, width, joints in batches]
        measured[name] = float(torch.cat(errors).mean())
    return measured


def _pick_images(
    data: ImagePoses, rows: torch.Tensor, settings: EstimatorFitSettings, draws: torch.Generator
) -> torch.Tensor:
    """Images (B, M, V, 3, H, W) of ``rows``, some of them through the VAE."""
    images = data.images[rows]
    if data.softened is None:
        return images
    through_vae = (torch.rand(len(rows), generator=draws) < settings.softened_probability).to(images.device)
    return torch.where(through_vae[:, None, None, None, None, None], data.softened[rows], images)


def _augment(
    images: torch.Tensor, config: EstimatorConfig, settings: EstimatorFitSettings, draws: torch.Generator
) -> torch.Tensor:
    """Shrink, then blur and add noise lightly: generated images are softer and rougher than renders."""
    images = shrink_images(images, config.input_size)
    if float(torch.rand((), generator=draws)) < settings.blur_probability:
        # Edges repeat outwards: zero padding would draw a dark frame on white.
        flat = F.pad(images.flatten(0, 2), (1, 1, 1, 1), mode="replicate")
        images = F.avg_pool2d(flat, 3, stride=1).reshape(images.shape)
    sigma = settings.pixel_noise * torch.rand(len(images), generator=draws).to(images.device)
    noise = torch.randn(images.shape, generator=draws).to(images.device)
    return images + sigma[:, None, None, None, None, None] * noise


def _check(data: ImagePoses, settings: EstimatorFitSettings) -> None:
    shape = tuple(data.images.shape)
    if len(shape) != 6 or shape[1:4] != (2, NUM_VIEWS, 3):
        raise InputError(
            "images do not fit the estimator",
            field="images",
            value=shape,
            remedy=f"give (N, 2, {NUM_VIEWS}, 3, H, W), normals first",
        )
    if len(data) <= settings.validation_samples:
        raise InputError(
            "no samples left to train on",
            field="fit.validation_samples",
            value=settings.validation_samples,
            remedy=f"hold out fewer than the {len(data)} samples given",
        )
