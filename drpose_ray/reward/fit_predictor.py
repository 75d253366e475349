"""Training of the skeleton predictor on latents of multi-view renders with known joints (Sec. 3.1, 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.reward.averaged_adamw import AveragedAdamW
from drpose_ray.reward.config import PredictorConfig, PredictorFitSettings
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import compose_preview, render_skeleton_maps
from drpose_ray.seeding import derive_seed, torch_stream

OnStep = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class LatentPoses:
    """Encoded six-view renders with their poses; all on one device, where training then runs."""

    latents: torch.Tensor  # (N, M=2, V=6, C, h, w) float16 or float32, normals first
    joints_world: torch.Tensor  # (N, 23, 3) metres
    center_world: torch.Tensor  # (N, 3) metres
    width_m: torch.Tensor  # (N,) metres

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: slice) -> LatentPoses:
        return LatentPoses(self.latents[rows], self.joints_world[rows], self.center_world[rows], self.width_m[rows])

    def pick(self, rows: torch.Tensor, views: torch.Tensor, map_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (M, B, v, C, h, w) float32 and target maps (B, v, 23, s, s) of some rows and views."""
        rows, views = rows.to(self.latents.device), views.to(self.latents.device)
        latents = self.latents[rows][:, :, views].float().transpose(0, 1)
        azimuths = torch.tensor(VIEW_AZIMUTHS_DEG, device=rows.device)[views]
        joints, center, width = (t[rows].float() for t in (self.joints_world, self.center_world, self.width_m))
        return latents, render_skeleton_maps(joints, center, width, azimuths, map_size)


def fit_predictor(
    data: LatentPoses,
    config: PredictorConfig,
    distance: SkeletonDistance,
    settings: PredictorFitSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> SkeletonPredictor:
    """Train a predictor; the same data, settings, seed and thread count give the same weights.

    Args:
        data: the last ``settings.validation_samples`` rows are held out.
        distance: the reward's own distance, minimised here.
        on_step: called after each update with its 0-based number and its metrics; a step that validates adds
            ``validation_*`` from ``measure_predictor``.

    Returns:
        The averaged weights, in evaluation mode. Raises InputError if the latents do not fit ``config``.
    """
    _check(data, config, settings)
    split = len(data) - settings.validation_samples
    training, held_out = data[:split], data[split:]
    device = data.latents.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "predictor", "weights"))
        predictor = SkeletonPredictor(config).to(device)
    distance = distance.to(device)
    optimiser = AveragedAdamW(predictor, settings)
    draws = torch_stream(seed, "predictor", "draws")
    for step in range(settings.updates):
        rows = torch.randint(len(training), (settings.samples_per_update,), generator=draws)
        views = torch.randperm(training.latents.shape[2], generator=draws)[: settings.views_per_sample]
        latents, maps = training.pick(rows, views, config.map_size)
        logits = predictor(_augment(latents, settings, draws))
        cross_entropy = cross_entropy_excess(logits, maps).mean()
        loss = distance.config.bce_weight * cross_entropy
        metrics = {"cross_entropy": cross_entropy.item()}
        if distance.perceptual is not None and step % settings.perceptual_every == 0:
            perceptual = distance.perceptual_term(logits, maps).mean()
            loss = loss + settings.perceptual_every * distance.config.perceptual_weight * perceptual
            metrics[distance.perceptual.name] = perceptual.item()
        metrics["gradient_norm"] = optimiser.step(loss)
        last = step == settings.updates - 1
        if len(held_out) and (last or (step + 1) % settings.validate_every == 0):
            measured = measure_predictor(optimiser.average, distance, held_out)
            metrics |= {f"validation_{name}": value for name, value in measured.items()}
        if on_step is not None:
            on_step(step, metrics)
    return optimiser.average


@torch.no_grad()
def measure_predictor(predictor: SkeletonPredictor, distance: SkeletonDistance, data: LatentPoses) -> dict[str, float]:
    """Quality on clean latents of all views.

    ``pose_score`` (Eq. 1); ``peak_error_cm``, in-plane distance of a map's brightest pixel from the joint's (its floor
    is half a pixel); ``psnr_db`` of the 23 channels, ``preview_psnr_db`` and ``preview_ssim`` of their composition in
    colours (the measures of Table 3, whose composition is not stated); ``cross_entropy``; and the perceptual distance
    under its own name.
    """
    views = torch.arange(data.latents.shape[2])
    totals: dict[str, float] = {}
    for rows in torch.split(torch.arange(len(data)), 16):
        latents, maps = data.pick(rows, views, predictor.config.map_size)
        logits = predictor(latents)
        predicted = logits.sigmoid()
        images, targets = compose_preview(predicted), compose_preview(maps)
        batch = {
            "pose_score": -distance(logits, maps),
            "cross_entropy": cross_entropy_excess(logits, maps),
            "peak_error_cm": _peak_error_px(predicted, maps).mean((1, 2)) * data.width_m[rows] * 100 / maps.shape[-1],
            "psnr_db": _psnr_db(predicted, maps),
            "preview_psnr_db": _psnr_db(images, targets),
            "preview_ssim": torch.tensor([_ssim(*pair) for pair in zip(images, targets, strict=True)]),
        }
        if distance.perceptual is not None:
            batch[distance.perceptual.name] = distance.perceptual_term(logits, maps)
        for name, values in batch.items():
            totals[name] = totals.get(name, 0.0) + float(values.sum())
    return {name: total / len(data) for name, total in totals.items()}


def _augment(latents: torch.Tensor, settings: PredictorFitSettings, draws: torch.Generator) -> torch.Tensor:
    """Make renders' latents as imperfect as generated ones: noise, softness, one domain missing."""
    batch, device = latents.shape[1], latents.device
    if float(torch.rand((), generator=draws)) < settings.blur_probability:
        # Edges repeat outwards: zero padding would draw a frame around the background.
        flat = F.pad(latents.flatten(0, 2), (1, 1, 1, 1), mode="replicate")
        latents = F.avg_pool2d(flat, 3, stride=1).reshape(latents.shape)
    sigma = settings.latent_noise * torch.rand(batch, generator=draws).to(device)
    noise = torch.randn(latents.shape, generator=draws).to(device)
    latents = latents + sigma[:, None, None, None, None] * noise
    # A predictor that leans on one domain lets the other be wrecked unpunished: reward hacking starts in the normals.
    lot = torch.rand(batch, generator=draws)
    dropped = torch.stack([lot < settings.domain_dropout, lot > 1 - settings.domain_dropout]).to(device)
    return latents.masked_fill(dropped[..., None, None, None, None], 0.0)


def _check(data: LatentPoses, config: PredictorConfig, settings: PredictorFitSettings) -> None:
    expected = (2, len(VIEW_AZIMUTHS_DEG), config.latent_channels, config.latent_size, config.latent_size)
    if tuple(data.latents.shape[1:]) != expected:
        raise InputError(
            "latents do not fit the predictor",
            field="latents",
            value=tuple(data.latents.shape),
            remedy=f"expected (N, {', '.join(map(str, expected))}); set predictor.latent_size and latent_channels",
        )
    if len(data) <= settings.validation_samples:
        raise InputError(
            "no samples left to train on",
            field="fit.validation_samples",
            value=settings.validation_samples,
            remedy=f"hold out fewer than the {len(data)} samples given",
        )


def _peak_error_px(predicted: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Distance (B, V, 23) between the brightest pixels of two stacks of maps (B, V, 23, s, s)."""
    size = maps.shape[-1]
    peak, target = predicted.flatten(3).argmax(3), maps.flatten(3).argmax(3)
    return torch.hypot((peak // size - target // size).float(), (peak % size - target % size).float())


def _psnr_db(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) for values in [0, 1], from the error over all other axes."""
    return -10 * (images - targets).square().flatten(1).mean(1).clamp_min(1e-10).log10()


def _ssim(images: torch.Tensor, targets: torch.Tensor) -> float:
    """Mean structural similarity over the views of (V, 3, s, s)."""
    values = [
        structural_similarity(image, target, channel_axis=0, data_range=1.0)  # type: ignore[no-untyped-call]
        for image, target in zip(images.cpu().numpy(), targets.cpu().numpy(), strict=True)
    ]
    return float(np.mean(values))
