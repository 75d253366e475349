"""Training of the independent pose estimator on six-view renders with known joints."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import derive_seed, torch_stream
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.fit import Fit, OnUpdate
from drpose_ray.core.training.validation import Validation
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.estimator.estimator import PoseEstimator, shrink_images
from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig, EstimatorFitSettings
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.metrics.joints import pelvis_aligned_error_cm

_LOSS_SCALE = 20.0  # frame widths to the order of one: 5 cm in a 2.2 m frame is a loss of about 0.3 per axis
_NONE = torch.empty(0)


def fit_estimator(
    people: PosedPeople,
    config: EstimatorConfig,
    settings: EstimatorFitSettings,
    seed: int,
    on_update: OnUpdate | None = None,
    checkpoint: Checkpoint | None = None,
    softened: torch.Tensor = _NONE,
) -> PoseEstimator:
    """Train an estimator; the same data, settings, seed and thread count give the same weights.

    Store images at ``config.input_size`` (see ``shrink_images``) to hold a quarter of the pixels.

    Args:
        people: with their images; the last ``settings.validation_samples`` are held out. Training runs on their device.
        on_update: called after each update with its 0-based number and its metrics; one that validates adds
            ``validation_mpjpe_cm`` on renders and ``validation_softened_mpjpe_cm`` where softened images are given.
        checkpoint: gone on from, if there is one.
        softened: the images through the VAE, of the same shape, type and device, if there are any.

    Returns:
        The averaged weights, in evaluation mode. Raises InputError if ``people`` cannot be trained on.
    """
    _check(people, settings)
    split = len(people) - settings.validation_samples
    training, held_out = people.rows(slice(split)), people.rows(slice(split, None))
    softened, held_out_softened = softened[:split], softened[split:]
    targets = relative_joints(training)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "estimator", "weights"))
        estimator = PoseEstimator(config).to(people.images.device)
    estimator.mean_joints.copy_(targets.mean(0))
    draws = torch_stream(seed, "estimator", "draws")

    def loss(_: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        rows = torch.randint(len(training), (settings.samples_per_update,), generator=draws).to(targets.device)
        joints = estimator(
            _augment(_pick_images(training.images, softened, rows, settings, draws), config, settings, draws)
        )
        error = F.smooth_l1_loss(joints * _LOSS_SCALE, targets[rows] * _LOSS_SCALE, beta=0.25)
        return error, {"loss": error.detach()}

    validation = None
    if len(held_out):
        validation = Validation[PoseEstimator](
            lambda one: measure_estimator(one, held_out, held_out_softened), settings.validate_every
        )
    fit = Fit(estimator, settings, loss, {"draws": draws}, validation=validation, checkpoint=checkpoint)
    return fit.run(on_update)


def relative_joints(people: PosedPeople) -> torch.Tensor:
    """What the network predicts: joints (N, 23, 3) minus the pelvis, in frame widths."""
    return ((people.joints - people.joints[:, :1]) / people.width_m[:, None, None]).float()


def measure_estimator(
    estimator: PoseEstimator, people: PosedPeople, softened: torch.Tensor = _NONE
) -> dict[str, float]:
    """``mpjpe_cm``, and ``softened_mpjpe_cm`` where softened images are given (pelvis-aligned, centimetres)."""
    kinds = {"mpjpe_cm": people.images}
    if len(softened):
        kinds["softened_mpjpe_cm"] = softened
    measured = {}
    for name, images in kinds.items():
        batches = zip(*(torch.split(part, 16) for part in (images, people.width_m, people.joints)), strict=True)
        errors = [pelvis_aligned_error_cm(estimator.estimate(some, width), joints) for some, width, joints in batches]
        measured[name] = float(torch.cat(errors).mean())
    return measured


def _pick_images(
    images: torch.Tensor,
    softened: torch.Tensor,
    rows: torch.Tensor,
    settings: EstimatorFitSettings,
    draws: torch.Generator,
) -> torch.Tensor:
    """Images (B, M, V, 3, H, W) of ``rows``, some of them through the VAE."""
    picked = images[rows]
    if not len(softened):
        return picked
    through_vae = (torch.rand(len(rows), generator=draws) < settings.softened_probability).to(picked.device)
    return torch.where(through_vae[:, None, None, None, None, None], softened[rows], picked)


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


def _check(people: PosedPeople, settings: EstimatorFitSettings) -> None:
    shape = tuple(people.images.shape)
    if len(shape) != 6 or shape[1:4] != (2, NUM_VIEWS, 3):
        raise InputError(
            "images do not fit the estimator",
            field="images",
            value=shape,
            remedy=f"give (N, 2, {NUM_VIEWS}, 3, H, W), normals first",
        )
    if len(people) <= settings.validation_samples:
        raise InputError(
            "no samples left to train on",
            field="fit.validation_samples",
            value=settings.validation_samples,
            remedy=f"hold out fewer than the {len(people)} samples given",
        )
