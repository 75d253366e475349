"""One iteration of Algorithm 1 on one worker: plan, rollout, reward, replay, optimiser step."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import derive_seed, stream
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.ddim import draw_noise
from drpose_ray.finetune import replay
from drpose_ray.finetune.batch_reward import score_with_terms
from drpose_ray.finetune.data import PairStream
from drpose_ray.finetune.engine.engine import DenoiserEngine
from drpose_ray.finetune.gradient_report import GradientReport
from drpose_ray.finetune.models import TrainingModels
from drpose_ray.finetune.plan import TrainPlan, draw_plan
from drpose_ray.finetune.rollout import Rollout, RolloutRequest
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.finetune.settings.optimizer import OptimizerConfig
from drpose_ray.finetune.watch.guard import StepGuard
from drpose_ray.finetune.watch.laps import Laps


class RemoteRollouts(Protocol):
    """Rollouts made by other processes (``rollout_pool``)."""

    def set_weights(self, weights: Mapping[str, torch.Tensor]) -> None: ...
    def start(self, request: RolloutRequest) -> Any: ...
    def finish(self, started: Any) -> Rollout: ...


@dataclass(frozen=True)
class _Draw:
    """One micro-step's random choices. Neither plan nor noise knows the rank; noise is keyed by sample."""

    plan: TrainPlan
    batch: PosedPeople
    condition: Any
    noise_seed: int
    pairs_before: Mapping[str, Any]  # where the stream of pairs was
    started: Any  # the remote rollout, if any


class Updater:
    """Algorithm 1's loop body. Every rank of the process group calls ``update`` with the same iterations."""

    def __init__(
        self,
        config: FinetuneConfig,
        seed: int,
        models: TrainingModels,
        engine: DenoiserEngine,
        pairs: PairStream,
        pool: RemoteRollouts | None = None,
    ) -> None:
        self._config, self._seed, self._models, self._engine, self._pairs = config, seed, models, engine, pairs
        self._pool = pool
        self._ahead: deque[_Draw] = deque()
        self.guard = StepGuard(config.optimizer.spike_factor, engine.device)
        network = engine.rollout_network
        self._rollout_network = torch.compile(network) if config.rollout.compile else network

    def pairs_state(self) -> Mapping[str, Any]:
        """Where the stream of pairs is for a run that resumes here: what was drawn ahead will be drawn again."""
        return self._ahead[0].pairs_before if self._ahead else self._pairs.state()

    def update(self, iteration: int) -> dict[str, float]:
        """Do iteration 0, 1, ... and return its metrics: means over all ranks, and this rank's seconds per phase."""
        laps = Laps(self._engine.device)
        learning_rate = learning_rate_at(self._config.optimizer, iteration)
        draws = self._draw_all(iteration, laps)
        terms: list[Mapping[str, torch.Tensor]] = []
        reports = [self._accumulate(draw, laps, terms) for draw in draws]
        active_steps, grad_norm = sum(len(report.active_steps) for report in reports), 0.0
        # The literal draw can leave an iteration without any active step. No gradient is not a gradient of zero, on
        # which AdamW would still decay the weights and follow its momentum.
        if active_steps:
            grad_norm = self._engine.step(learning_rate)
            if not math.isfinite(grad_norm):
                raise InputError(
                    f"the gradient of iteration {iteration} is not finite; the last checkpoint is from before it",
                    field="finetune.optimizer.learning_rate", value=self._config.optimizer.learning_rate,
                    remedy="lower it or use finetune.model.precision: float32, in a new run folder",
                )  # fmt: skip
        laps.end("step")
        return {
            **_means_over_ranks(reports, terms, self._engine.device),
            "active_steps": active_steps / len(reports),
            "denoiser_calls": sum(report.num_denoiser_calls for report in reports),
            "grad_norm": grad_norm,
            "skipped_micro_steps": self.guard.skipped,
            "learning_rate": learning_rate,
            **{f"seconds_{phase}": seconds for phase, seconds in laps.seconds().items()},
        }

    def _draw_all(self, iteration: int, laps: Laps) -> list[_Draw]:
        """The draws of this iteration, with remote rollouts begun; one iteration ahead where staleness is allowed."""
        micro_steps = range(self._config.optimizer.gradient_accumulation)
        if self._pool is None:
            return [self._draw(iteration, micro_step, laps) for micro_step in micro_steps]
        self._pool.set_weights(self._engine.trained_weights())
        laps.end("weights")
        if not self._ahead:
            self._ahead.extend(self._draw(iteration, micro_step, laps) for micro_step in micro_steps)
        draws = [self._ahead.popleft() for _ in micro_steps]
        if self._config.rollout.staleness and iteration + 1 < self._config.optimizer.num_iterations:
            self._ahead.extend(self._draw(iteration + 1, micro_step, laps) for micro_step in micro_steps)
        return draws

    def _draw(self, iteration: int, micro_step: int, laps: Laps) -> _Draw:
        config = self._config
        plan = draw_plan(
            stream(self._seed, "plan", iteration, micro_step),
            config.algorithm.num_sampling_steps,
            config.algorithm.num_train_steps,
            config.algorithm.max_early_stop,
            config.algorithm.plan,
            config.algorithm.stops_per_rollout,
        )
        before = self._pairs.state()
        batch = next(self._pairs)
        with torch.no_grad():
            condition = self._models.encode_condition(batch)
        laps.end("encode")
        noise_seed = derive_seed(self._seed, "rollout", iteration, micro_step)
        started = None
        if self._pool:
            started = self._pool.start(RolloutRequest(plan, condition, batch.sample_ids, noise_seed))
        return _Draw(plan, batch, condition, noise_seed, before, started)

    def _accumulate(self, draw: _Draw, laps: Laps, terms: list[Mapping[str, torch.Tensor]]) -> GradientReport:
        """Add one micro-batch's gradient, and to ``terms`` those of its reward, once per stop."""
        config, models, device = self._config, self._models, self._engine.device

        def noise_at(step: int) -> torch.Tensor:
            return draw_noise(draw.noise_seed, draw.batch.sample_ids, models.latent_shape, step).to(device)

        def reward_fn(latents_x0: torch.Tensor) -> torch.Tensor:
            laps.end("rollout")
            reward, of_terms = score_with_terms(models.pose_score, latents_x0, draw.batch)
            terms.append(of_terms)
            return reward

        def accept(reward: torch.Tensor, cotangent: torch.Tensor) -> bool:
            laps.end("reward")
            return self.guard.accepts(reward, cotangent)

        report = replay.gradient(
            self._engine.network,
            models.frozen_denoiser,
            noise_at(config.algorithm.num_sampling_steps + 1),
            noise_at,
            draw.condition,
            models.sampler,
            draw.plan,
            reward_fn,
            config.algorithm.kl_weight,
            backward=lambda loss: self.guard.backward(loss, self._engine.backward),
            rolled=self._pool.finish(draw.started) if self._pool else None,
            rollout_denoiser=self._rollout_network,
            rollout_in_inference_mode=not self._engine.gathers_weights,
            objects_per_call=config.parallel.objects_per_replay,
            accept=accept,
        )
        laps.end("replay")
        return report


def learning_rate_at(config: OptimizerConfig, iteration: int) -> float:
    """Linear warm-up, then constant or a cosine that reaches 0 at ``num_iterations``."""
    warmup = config.warmup_iterations
    if iteration < warmup:
        return config.learning_rate * (iteration + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = (iteration - warmup) / max(config.num_iterations - warmup, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _means_over_ranks(
    reports: list[GradientReport], terms: list[Mapping[str, torch.Tensor]], device: torch.device
) -> dict[str, float]:
    """Reward, KL, loss and the reward's terms, averaged over micro-steps, stops and ranks. Collective."""
    local = [[float(report.reward.mean()), report.kl, report.loss] for report in reports]
    names = sorted(terms[0])  # every rank has the same ones, and micro-steps have equally many stops
    of_terms = [[float(each[name].mean()) for name in names] for each in terms]
    means = torch.cat([torch.tensor(rows, dtype=torch.float64).mean(0) for rows in (local, of_terms)]).to(device)
    dist.all_reduce(means)
    means /= dist.get_world_size()
    keys = ("reward", "kl", "loss", *(f"reward_{name}" for name in names))
    return dict(zip(keys, means.tolist(), strict=True))
