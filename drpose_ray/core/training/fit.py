"""The one loop in which networks are fitted here: AdamW, a schedule, a weight average, a checkpoint, many processes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic

import numpy as np
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.runs.origin import say_resuming
from drpose_ray.core.training.average import follow
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.data_parallel import ALONE, DataParallel
from drpose_ray.core.training.settings import FitSettings
from drpose_ray.core.training.validation import NetworkT, Validation

Loss = Callable[[int], tuple[torch.Tensor, dict[str, torch.Tensor]]]
"""Of an update, counted from 0, on this process's samples: what to minimise, and detached scalars to report."""
OnUpdate = Callable[[int, Mapping[str, float]], None]
"""Told the number of each update, counted from 0, and its metrics, in the first process alone."""
Stream = torch.Generator | np.random.Generator


class Fit(Generic[NetworkT]):
    """A training under way, in one process or in several that take an equal part of each update.

    All processes draw the random numbers of the whole batch and use their own samples' of them; so the batch does not
    depend on the number of processes, and the weights only by the order of sums. Killed at any moment and built again,
    a training goes on from its checkpoint to the same bits.
    """

    def __init__(
        self,
        network: NetworkT,
        settings: FitSettings,
        loss: Loss,
        streams: Mapping[str, Stream],
        *,
        validation: Validation[NetworkT] | None = None,
        share: DataParallel = ALONE,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Goes on from ``checkpoint``, if there is one. Raises InputError if that is another training's.

        Args:
            network: trained in place, where it is; alike in all processes.
            streams: what ``loss`` draws from, by name, so that a checkpoint can keep the place in each.
        """
        self.network, self.settings, self.validation = network, settings, validation
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        """The moving average of the weights as it is now, ready to use."""
        self.updates_done = 0
        self._loss, self._streams, self._share, self._checkpoint = loss, streams, share, checkpoint
        self._schedule = settings.schedule()
        self._adamw = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
        )
        if checkpoint is not None and (stored := checkpoint.read()):
            self._restore(*stored)

    @property
    def stopped_early(self) -> bool:
        """Whether patience has run out."""
        return self.validation is not None and self.validation.stops

    @property
    def finished(self) -> bool:
        """Whether there is no more to do."""
        return self.stopped_early or self.updates_done >= self.settings.updates

    def run(self, on_update: OnUpdate | None = None) -> NetworkT:
        """Train to the end; returns ``result()``. The checkpoint stays until its owner has published that."""
        if self._share.size == 1:  # of workers, the driver tells
            say_resuming("update", self.updates_done, self.settings.updates)
        while not self.finished:
            update, began = self.updates_done, time.monotonic()
            metrics = self.step()
            if self._share.rank:
                continue
            if on_update is not None:
                on_update(update, metrics | {"seconds": time.monotonic() - began})
            due = self.updates_done % self.settings.checkpoint_every == 0 and not self.finished
            if due and self._checkpoint is not None:
                self._checkpoint.save(*self._state())
        return self.result()

    def step(self) -> dict[str, float]:
        """One update, with a validation if it is due; returns its metrics.

        Raises InputError, with the weights as they were, if the gradient is not finite.
        """
        for group in self._adamw.param_groups:
            group["lr"] = self._schedule.rate(self.updates_done)
        loss, measured = self._loss(self.updates_done)
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()
        self._share.average([p.grad for p in self.network.parameters() if p.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        if not norm.isfinite():
            raise InputError(
                f"the gradient of update {self.updates_done + 1} is not finite", field="learning_rate",
                value=self.settings.learning_rate, remedy="lower it, or check the data",
            )  # fmt: skip
        self._adamw.step()
        weights = list(self.network.parameters())
        follow(list(self.average.parameters()), weights, self.settings.ema_decay, self.updates_done)
        self.updates_done += 1
        self._share.average(list(measured.values()))
        metrics = {name: value.item() for name, value in measured.items()} | {"gradient_norm": float(norm)}
        if self.validation is not None:
            metrics |= self.validation.look(self.average, self.updates_done, last=self.finished)
        return metrics

    def result(self) -> NetworkT:
        """The averaged weights, in evaluation mode: the last, or with patience the best on what is held out."""
        if self.validation is None or not self.validation.best_weights:
            return self.average
        best = copy.deepcopy(self.average)
        best.load_state_dict(self.validation.best_weights)
        return best

    def _state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """All that a later process needs to go on to the same weights: tensors, and JSON-able numbers."""
        moments = self._adamw.state_dict()["state"]
        torch_streams = {name: s for name, s in self._streams.items() if isinstance(s, torch.Generator)}
        numpy_streams = {name: s for name, s in self._streams.items() if isinstance(s, np.random.Generator)}
        tensors = {
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **{f"average.{name}": tensor for name, tensor in self.average.state_dict().items()},
            **{f"adamw.{i}.{key}": tensor for i, part in moments.items() for key, tensor in part.items()},
            **{name: s.get_state() for name, s in torch_streams.items()},
        }
        numbers = {
            "updates_done": self.updates_done,
            "streams": {name: s.bit_generator.state for name, s in numpy_streams.items()},
        }
        if self.validation is not None:
            tensors |= {f"best.{name}": tensor for name, tensor in self.validation.best_weights.items()}
            numbers |= self.validation.numbers()
        return tensors, numbers

    def _restore(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from ``_state()``."""
        self.network.load_state_dict(_below(tensors, "network."))
        self.average.load_state_dict(_below(tensors, "average."))
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below(tensors, "adamw.").items():
            parameter, key = name.split(".")
            moments.setdefault(int(parameter), {})[key] = tensor
        self._adamw.load_state_dict({**self._adamw.state_dict(), "state": moments})
        self.updates_done = numbers["updates_done"]
        for name, s in self._streams.items():
            if isinstance(s, torch.Generator):
                s.set_state(tensors[name])
            else:
                s.bit_generator.state = numbers["streams"][name]
        if self.validation is not None:
            device = next(self.network.parameters()).device
            best = {name: tensor.to(device) for name, tensor in _below(tensors, "best.").items()}
            self.validation.restore(numbers, best)


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
