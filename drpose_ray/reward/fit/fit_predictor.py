"""Training of the skeleton predictor on latents of multi-view renders with known joints (Sec. 3.1, 4.1)."""

from __future__ import annotations

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import derive_seed, torch_stream
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.data_parallel import ALONE, DataParallel, own_samples
from drpose_ray.core.training.fit import Fit
from drpose_ray.core.training.validation import Validation
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.reward.config import PredictorConfig, PredictorFitSettings
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.fit.augment import augment
from drpose_ray.reward.fit.latent_poses import LatentPoses
from drpose_ray.reward.measure import measure_predictor
from drpose_ray.reward.predictor import NUM_DOMAINS, SkeletonPredictor


def predictor_fit(
    data: LatentPoses,
    config: PredictorConfig,
    distance: SkeletonDistance,
    settings: PredictorFitSettings,
    seed: int,
    *,
    share: DataParallel = ALONE,
    device: torch.device | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fit[SkeletonPredictor]:
    """A predictor's training, to be run; the same data, settings, seed and thread count give the same weights.

    Args:
        data: the last ``settings.validation_samples`` people are held out, and measured by ``measure_predictor``.
        distance: the reward's own distance, minimised here.
        device: by default where the data is.

    Raises InputError if the latents do not fit ``config``, there are no more people than are to be held out, or a batch
    cannot be shared equally.
    """
    _check_latents(data, config)
    number = settings.samples_per_update
    own = own_samples(share, number, "fit.samples_per_update")
    training, held_out = data.hold_out(settings.validation_samples)
    where = device or data.people.joints.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "predictor", "weights"))
        predictor = SkeletonPredictor(config).to(where)
    distance = distance.to(where)
    draws = torch_stream(seed, "predictor", "draws")

    def loss(update: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        rows = torch.randint(len(training), (number,), generator=draws)
        views = torch.randperm(NUM_VIEWS, generator=draws)[: settings.views_per_sample]
        latents, maps = training.pick(rows[own], views, config.map_size, where)
        latents = augment(latents, settings, draws, own)
        with torch.autocast(where.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = predictor(latents)
        logits = logits.float()
        cross_entropy = cross_entropy_excess(logits, maps).mean()
        total = distance.config.bce_weight * cross_entropy
        measured = {"cross_entropy": cross_entropy.detach()}
        if distance.perceptual is not None and update % settings.perceptual_every == 0:
            perceptual = distance.perceptual_term(logits, maps).mean()
            total = total + settings.perceptual_every * distance.config.perceptual_weight * perceptual
            measured[distance.perceptual.name] = perceptual.detach()
        return total, measured

    validation = None
    if len(held_out):
        validation = Validation[SkeletonPredictor](
            lambda average: measure_predictor(average, distance, held_out, share),
            settings.validate_every, settings.patience, "pose_score",
        )  # fmt: skip
    return Fit(predictor, settings, loss, {"draws": draws}, validation=validation, share=share, checkpoint=checkpoint)


def _check_latents(data: LatentPoses, config: PredictorConfig) -> None:
    found = tuple(data.latents.shape)
    expected = (NUM_DOMAINS, NUM_VIEWS, config.latent_channels, config.latent_size, config.latent_size)
    if (found[1], min(found[2], NUM_VIEWS), *found[3:]) != expected:  # a seventh slot is the face, which is not read
        raise InputError(
            "latents do not fit the predictor",
            field="latents",
            value=found,
            remedy=f"expected (N, {', '.join(map(str, expected))}); set predictor.latent_size and latent_channels",
        )
