"""A reward on an actor of its own. Only x0, the poses, the rewards and the gradient with respect to x0 travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ray
import torch

from drpose_ray.core.on_ray import Loaded, answers
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.finetune.batch_reward import BatchReward, score_with_terms
from drpose_ray.finetune.settings.finetune import FinetuneConfig

LoadReward = Callable[[FinetuneConfig, torch.device], BatchReward]


class RewardActor:
    """One process with the reward model."""

    def __init__(self, load_reward: LoadReward, config: FinetuneConfig) -> None:
        self._device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        if self._device.type == "cpu":
            torch.set_num_threads(1)
        self._reward = Loaded(lambda: load_reward(config, self._device))

    def score(
        self, latents_x0: torch.Tensor, batch: PosedPeople, with_gradient: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None, dict[str, torch.Tensor]]:
        """Rewards (B,), if asked for each one's gradient (M, B, V, 4, h, w) in its own latents, and their terms by
        name; all on the CPU.
        """
        with torch.set_grad_enabled(with_gradient):
            x0 = latents_x0.to(self._device).requires_grad_(with_gradient)
            rewards, values = score_with_terms(self._reward.get(), x0, batch)
        terms = {name: value.cpu() for name, value in values.items()}
        if not with_gradient:
            return rewards.cpu(), None, terms
        # Objects do not see each other, so the gradient of the sum holds the gradient of every single reward.
        (gradient,) = torch.autograd.grad(rewards.sum(), x0)
        return rewards.detach().cpu(), gradient.cpu(), terms


class RemoteReward:
    """A ``BatchReward`` that asks one actor, and a ``TermedReward``. The actor ends with the rank that made it."""

    def __init__(self, load_reward: LoadReward, config: FinetuneConfig) -> None:
        start: Any = ray.remote(RewardActor).options(
            num_cpus=1, num_gpus=config.reward.actor_gpus, scheduling_strategy="DEFAULT"
        )
        self._actor = start.remote(load_reward, config)

    def __call__(self, latents_x0: torch.Tensor, batch: PosedPeople) -> torch.Tensor:
        """Rewards (B,) on the latents' device, differentiable in the latents."""
        return self.score(latents_x0, batch)[0]

    def score(self, latents_x0: torch.Tensor, batch: PosedPeople) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """The same, and the terms of the rewards by name."""
        rewards, terms = _Asked.apply(latents_x0, self._actor, batch.without_pictures())  # type: ignore[no-untyped-call]
        return rewards, terms


class _Asked(torch.autograd.Function):
    """The actor's answer as a node of this process's graph."""

    @staticmethod
    def forward(
        ctx: Any, latents_x0: torch.Tensor, actor: Any, batch: PosedPeople
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        with_gradient = ctx.needs_input_grad[0]
        rewards, gradient, terms = answers(actor.score.remote(latents_x0.detach().cpu(), batch, with_gradient))
        if with_gradient:
            ctx.save_for_backward(gradient.to(latents_x0))
        return rewards.to(latents_x0.device), terms

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor, _of_terms: None) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * cotangent.to(gradient)[None, :, None, None, None, None], None, None
