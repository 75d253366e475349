"""Gradient ascent on a reward in the latents themselves: what a model could gain that draws whatever it likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import torch

Score = Callable[[torch.Tensor], torch.Tensor]
"""Latents (N, M, V, C, h, w) of N people -> reward (N,) of each at its own pose, differentiable."""

Norm = Literal["rms", "max"]
"""How far a latent may move: its root mean square over a person's latents, or every single number."""

_STEPS_ACROSS: Final = 2.5  # the path may be so many budgets long, so that it can bend


def ascend(score: Score, start: torch.Tensor, norm: Norm, budget: float, steps: int) -> torch.Tensor:
    """Latents (N, M, V, C, h, w) near ``start`` that ``score`` higher: projected ascent.

    Each person's move stays within ``budget``, in the latents' own unit. One step is a single step along the gradient,
    of exactly that length.
    """
    length = budget if steps == 1 else _STEPS_ACROSS * budget / steps
    moved = start.clone()
    for _ in range(steps):
        direction = _unit(reward_gradient(score, moved), norm)
        moved = start + _within(moved + length * direction - start, norm, budget)
    return moved


def move_at_random(start: torch.Tensor, norm: Norm, budget: float, generator: torch.Generator) -> torch.Tensor:
    """As far as ``ascend`` may go, in a direction that knows nothing."""
    return start + budget * _unit(torch.randn(start.shape, generator=generator), norm)


def reward_gradient(score: Score, latents: torch.Tensor) -> torch.Tensor:
    """Gradient of each person's reward in its own latents (N, M, V, C, h, w)."""
    with torch.enable_grad():
        x = latents.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(score(x).sum(), x)
    found: torch.Tensor = gradient
    return found


def _rms(latents: torch.Tensor) -> torch.Tensor:
    return latents.square().mean((1, 2, 3, 4, 5), keepdim=True).sqrt().clamp_min(1e-12)


def _unit(direction: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The step of length 1 that gains most."""
    return direction / _rms(direction) if norm == "rms" else direction.sign()


def _within(move: torch.Tensor, norm: Norm, budget: float) -> torch.Tensor:
    if norm == "max":
        return move.clamp(-budget, budget)
    return move * (budget / _rms(move)).clamp_max(1)
