"""Training of the skeleton predictor on latents of multi-view renders with known joints (Sec. 3.1, 4.1)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.reward.augment import augment
from drpose_ray.reward.averaged_adamw import AveragedAdamW
from drpose_ray.reward.config import PredictorConfig, PredictorFitSettings
from drpose_ray.reward.distance import SkeletonDistance, cross_entropy_excess
from drpose_ray.reward.latent_poses import LatentPoses
from drpose_ray.reward.measure import measure_predictor
from drpose_ray.reward.predictor import NUM_DOMAINS, SkeletonPredictor
from drpose_ray.reward.share import ALONE, Share
from drpose_ray.seeding import derive_seed, torch_stream

OnStep = Callable[[int, Mapping[str, float]], None]


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
        data: the last ``settings.validation_samples`` people are held out.
        distance: the reward's own distance, minimised here.
        on_step: called after each update with its 0-based number and its metrics; a step that validates adds
            ``validation_*`` from ``measure_predictor``.

    Returns:
        The averaged weights, in evaluation mode. Raises InputError if the latents do not fit ``config``.
    """
    fit = PredictorFit(data, config, distance, settings, seed)
    while not fit.finished:
        step = fit.updates_done
        metrics = fit.step()
        if on_step is not None:
            on_step(step, metrics)
    return fit.result()


class PredictorFit:
    """A training under way, in one process or in several that take an equal part of each update.

    All processes draw the random numbers of the whole batch and use their own samples' of them; so the batch does not
    depend on the number of processes, and the weights only by the order of sums.
    """

    def __init__(
        self,
        data: LatentPoses,
        config: PredictorConfig,
        distance: SkeletonDistance,
        settings: PredictorFitSettings,
        seed: int,
        share: Share = ALONE,
        device: torch.device | None = None,
    ) -> None:
        """Trains on ``device``, by default where the data is. Raises InputError if the latents do not fit ``config``,
        there are no more people than are to be held out, or a batch cannot be shared equally.
        """
        _check(data, config, settings, share)
        self.training, self.held_out = data.hold_out(settings.validation_samples)
        self.device = device or data.people.joints.device
        self.settings, self._share = settings, share
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "predictor", "weights"))
            predictor = SkeletonPredictor(config).to(self.device)
        self._distance = distance.to(self.device)
        self._optimiser = AveragedAdamW(predictor, settings, share)
        self._draws = torch_stream(seed, "predictor", "draws")
        self.validation: dict[str, float] = {}
        """Of the weights that ``result`` gives, as far as they have been measured."""
        self.best_update: int | None = None
        """After how many updates the held-out score was best; only with patience."""
        self._best_score, self._best_weights, self._misses = -math.inf, dict[str, torch.Tensor](), 0

    @property
    def updates_done(self) -> int:
        """How far the training has come."""
        return self._optimiser.updates_done

    @property
    def stopped_early(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.settings.patience <= self._misses

    @property
    def finished(self) -> bool:
        """Whether there is no more to do."""
        return self.stopped_early or self.updates_done >= self.settings.updates

    @property
    def average(self) -> SkeletonPredictor:
        """The averaged weights as they are now."""
        return self._optimiser.average

    def step(self) -> dict[str, float]:
        """One update, with a validation if it is due; returns its metrics."""
        metrics = self._update()
        if len(self.held_out) and (self.finished or self.updates_done % self.settings.validate_every == 0):
            measured = measure_predictor(self.average, self._distance, self.held_out, self._share)
            self._judge(measured)
            metrics |= {f"validation_{name}": value for name, value in measured.items()}
        return metrics

    def result(self) -> SkeletonPredictor:
        """The averaged weights, in evaluation mode: the last, or with patience the best on the people held out."""
        if not self._best_weights:
            return self.average
        best = copy.deepcopy(self.average)
        best.load_state_dict(self._best_weights)
        return best

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """All that a later process needs to go on to the same weights: tensors, and JSON-able numbers."""
        tensors = self._optimiser.state() | {"draws": self._draws.get_state()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best_weights.items()}
        numbers = {
            "updates_done": self.updates_done, "validation": self.validation, "misses": self._misses,
            "best_update": self.best_update, "best_score": self._best_score if self._best_weights else None,
        }  # fmt: skip
        return tensors, numbers

    def restore(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from ``state()``."""
        self._optimiser.restore(tensors, numbers["updates_done"])
        self._draws.set_state(tensors["draws"])
        best = {name: tensor for name, tensor in tensors.items() if name.startswith("best.")}
        self._best_weights = {name.removeprefix("best."): tensor.to(self.device) for name, tensor in best.items()}
        self._best_score = numbers["best_score"] if best else -math.inf
        self.validation, self._misses = dict(numbers["validation"]), numbers["misses"]
        self.best_update = numbers["best_update"]

    def _update(self) -> dict[str, float]:
        settings, distance, predictor = self.settings, self._distance, self._optimiser.network
        number, share = settings.samples_per_update, self._share
        own = slice(share.rank * number // share.size, (share.rank + 1) * number // share.size)
        rows = torch.randint(len(self.training), (number,), generator=self._draws)
        views = torch.randperm(NUM_VIEWS, generator=self._draws)[: settings.views_per_sample]
        latents, maps = self.training.pick(rows[own], views, predictor.config.map_size, self.device)
        latents = augment(latents, settings, self._draws, own)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = predictor(latents)
        logits = logits.float()
        cross_entropy = cross_entropy_excess(logits, maps).mean()
        loss = distance.config.bce_weight * cross_entropy
        measured = {"cross_entropy": cross_entropy.detach()}
        if distance.perceptual is not None and self.updates_done % settings.perceptual_every == 0:
            perceptual = distance.perceptual_term(logits, maps).mean()
            loss = loss + settings.perceptual_every * distance.config.perceptual_weight * perceptual
            measured[distance.perceptual.name] = perceptual.detach()
        norm = self._optimiser.step(loss)
        share.average(list(measured.values()))
        return {name: value.item() for name, value in measured.items()} | {"gradient_norm": norm}

    def _judge(self, measured: Mapping[str, float]) -> None:
        """Remember the best weights. The processes share what was measured, so they agree."""
        if self.settings.patience and not measured["pose_score"] > self._best_score:
            self._misses += 1
            return
        self.validation = dict(measured)
        if self.settings.patience:
            self._misses, self.best_update, self._best_score = 0, self.updates_done, measured["pose_score"]
            self._best_weights = {name: tensor.clone() for name, tensor in self.average.state_dict().items()}


def _check(data: LatentPoses, config: PredictorConfig, settings: PredictorFitSettings, share: Share) -> None:
    found = tuple(data.latents.shape)
    expected = (NUM_DOMAINS, NUM_VIEWS, config.latent_channels, config.latent_size, config.latent_size)
    if (found[1], min(found[2], NUM_VIEWS), *found[3:]) != expected:  # a seventh slot is the face, which is not read
        raise InputError(
            "latents do not fit the predictor",
            field="latents",
            value=found,
            remedy=f"expected (N, {', '.join(map(str, expected))}); set predictor.latent_size and latent_channels",
        )
    if settings.samples_per_update % share.size:
        raise InputError(
            "a batch cannot be shared equally", field="fit.samples_per_update", value=settings.samples_per_update,
            remedy=f"use a multiple of the {share.size} workers",
        )  # fmt: skip
