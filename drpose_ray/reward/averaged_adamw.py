"""AdamW with warm-up, cosine tail, clipping and a running weight average: how small networks are fitted here."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import nn

from drpose_ray.diffusion.gradient import clip_gradient
from drpose_ray.reward.optimiser_settings import OptimiserSettings
from drpose_ray.reward.share import ALONE, Share

NetworkT = TypeVar("NetworkT", bound=nn.Module)

_LAST_RATE = 0.02  # share of the learning rate left at the last update


class AveragedAdamW(Generic[NetworkT]):
    """Updates ``network`` and keeps ``average``, the exponential moving average of its weights, ready to use."""

    def __init__(self, network: NetworkT, settings: OptimiserSettings, share: Share = ALONE) -> None:
        """``share``: gradients are averaged over its processes, which begin alike and so stay alike."""
        self.network, self.settings, self._share = network, settings, share
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.updates_done = 0
        self._adamw = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
        )

    def step(self, loss: torch.Tensor) -> float:
        """One update from ``loss``; returns the gradient norm before clipping.

        Raises InputError, with the weights as they were, if that is not finite.
        """
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate(self.updates_done, self.settings)
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()
        self._share.average([p.grad for p in self.network.parameters() if p.grad is not None])
        norm = clip_gradient(
            self.network.parameters(), self.settings.gradient_clip, update=self.updates_done + 1,
            learning_rate=self.settings.learning_rate, field="fit.learning_rate",
        )  # fmt: skip
        self._adamw.step()
        self._follow()
        self.updates_done += 1
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Weights, their average and the optimiser's moments, by name; with ``updates_done`` all that it is."""
        moments = self._adamw.state_dict()["state"]
        return {
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **{f"average.{name}": tensor for name, tensor in self.average.state_dict().items()},
            **{f"adamw.{i}.{key}": tensor for i, part in moments.items() for key, tensor in part.items()},
        }

    def restore(self, state: Mapping[str, torch.Tensor], updates_done: int) -> None:
        """Go on from ``state()``, which may hold other tensors too."""
        self.network.load_state_dict(_below(state, "network."))
        self.average.load_state_dict(_below(state, "average."))
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below(state, "adamw.").items():
            parameter, key = name.split(".")
            moments.setdefault(int(parameter), {})[key] = tensor
        self._adamw.load_state_dict({**self._adamw.state_dict(), "state": moments})
        self.updates_done = updates_done

    @torch.no_grad()
    def _follow(self) -> None:
        # Early averages forget faster, or the random start would stay in them.
        decay = min(self.settings.ema_decay, (1 + self.updates_done) / (10 + self.updates_done))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def learning_rate(update: int, settings: OptimiserSettings) -> float:
    """Learning rate of ``update`` (from 0): linear warm-up, constant, cosine to 2 %."""
    warm = min(1.0, (update + 1) / (settings.warmup_updates + 1))
    tail = settings.cosine_tail * settings.updates
    progress = min(1.0, max(0.0, (update + 1 - (settings.updates - tail)) / tail))
    return settings.learning_rate * warm * (_LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))
