"""One iteration of Algorithm 1 on one worker: plan, rollout, reward, replay, optimiser step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

from drpose_ray.diffusion.ddim import draw_noise
from drpose_ray.finetune import replay
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.finetune.data import PairStream
from drpose_ray.finetune.engine import DenoiserEngine
from drpose_ray.finetune.parts import Parts
from drpose_ray.finetune.plan import GradientReport, draw_plan
from drpose_ray.seeding import derive_seed, stream


class Updater:
    """Algorithm 1's loop body. Every rank of the process group calls ``update`` with the same iterations."""

    def __init__(
        self, config: FinetuneConfig, seed: int, parts: Parts, engine: DenoiserEngine, pairs: PairStream
    ) -> None:
        self._config, self._seed, self._parts, self._engine, self._pairs = config, seed, parts, engine, pairs

    def update(self, iteration: int) -> dict[str, float]:
        """Do iteration 0, 1, ... and return its metrics: means over all ranks, and this rank's seconds per phase."""
        laps = _Laps(self._engine.device)
        learning_rate = learning_rate_at(self._config, iteration)
        micro_steps = range(self._config.gradient_accumulation)
        reports = [self._accumulate(iteration, micro_step, laps) for micro_step in micro_steps]
        active_steps, grad_norm = sum(len(report.active_steps) for report in reports), 0.0
        # The literal draw can leave an iteration without any active step. No gradient is not a gradient of zero, on
        # which AdamW would still decay the weights and follow its momentum.
        if active_steps:
            grad_norm = self._engine.step(learning_rate)
        laps.end("step")
        return {
            **_means_over_ranks(reports, self._engine.device),
            "active_steps": active_steps / len(reports),
            "denoiser_calls": sum(report.num_denoiser_calls for report in reports),
            "grad_norm": grad_norm,
            "learning_rate": learning_rate,
            **{f"seconds_{phase}": seconds for phase, seconds in laps.seconds.items()},
        }

    def _accumulate(self, iteration: int, micro_step: int, laps: _Laps) -> GradientReport:
        """Add one micro-batch's gradient. Neither plan nor noise knows the rank; noise is keyed by sample."""
        config, parts, device = self._config, self._parts, self._engine.device
        plan = draw_plan(
            stream(self._seed, "plan", iteration, micro_step),
            config.num_sampling_steps,
            config.num_train_steps,
            config.max_early_stop,
            config.plan_variant,
        )
        batch = next(self._pairs)
        noise_seed = derive_seed(self._seed, "rollout", iteration, micro_step)

        def noise_at(step: int) -> torch.Tensor:
            return draw_noise(noise_seed, batch.sample_ids, parts.latent_shape, step).to(device)

        def reward_fn(latents_x0: torch.Tensor) -> torch.Tensor:
            laps.end("rollout")
            return parts.pose_score(latents_x0, batch)

        def denoiser(latents: torch.Tensor, timestep: int, condition: object) -> torch.Tensor:
            if torch.is_grad_enabled() and not laps.in_replay:  # the reward's gradient has just been taken
                laps.end("reward")
                laps.in_replay = True
            output: torch.Tensor = self._engine.network(latents, timestep, condition)
            return output

        with torch.no_grad():
            condition = parts.encode_condition(batch)
        laps.end("encode")
        report = replay.gradient(
            denoiser,
            parts.frozen_denoiser,
            noise_at(config.num_sampling_steps + 1),
            noise_at,
            condition,
            parts.sampler,
            plan,
            reward_fn,
            config.kl_weight,
            backward=self._engine.backward,
        )
        laps.end("replay" if report.active_steps else "reward")
        laps.in_replay = False
        return report


def learning_rate_at(config: FinetuneConfig, iteration: int) -> float:
    """Linear warm-up, then constant or a cosine that reaches 0 at ``num_iterations``."""
    warmup = config.warmup_iterations
    if iteration < warmup:
        return config.learning_rate * (iteration + 1) / warmup
    if config.learning_rate_schedule == "constant":
        return config.learning_rate
    progress = (iteration - warmup) / max(config.num_iterations - warmup, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _means_over_ranks(reports: list[GradientReport], device: torch.device) -> dict[str, float]:
    """Reward, KL and loss, averaged over micro-steps and ranks. Collective."""
    local = [[float(report.reward.mean()), report.kl, report.loss] for report in reports]
    means = torch.tensor(local, dtype=torch.float64, device=device).mean(0)
    dist.all_reduce(means)
    means /= dist.get_world_size()
    return dict(zip(("reward", "kl", "loss"), means.tolist(), strict=True))


@dataclass
class _Laps:
    """Seconds spent in the phases of an update."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    in_replay: bool = False

    def __post_init__(self) -> None:
        self._last = self._now()

    def end(self, phase: str) -> None:
        now = self._now()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
