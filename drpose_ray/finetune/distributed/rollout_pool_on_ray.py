"""Rollouts on actors of their own. They take most of a step's time and need neither gradient, optimiser nor reference.

A trainer sends what it drew (plan, condition, a seed for the noise) and the weights that changed; back come x0 and the
latents of the active steps, a few megabytes. Objects do not see each other, so a batch is cut over the actors freely.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.util.queue import Queue

from drpose_ray.core.on_ray import Loaded, answers
from drpose_ray.finetune.rollout import Roller, Rollout, RolloutRequest
from drpose_ray.finetune.settings.finetune import FinetuneConfig

LoadRoller = Callable[[FinetuneConfig, torch.device], Roller]


class RolloutActor:
    """One process with inference-only weights."""

    def __init__(self, load_roller: LoadRoller, config: FinetuneConfig) -> None:
        device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        if device.type == "cpu":
            torch.set_num_threads(1)
        self._roller = Loaded(lambda: load_roller(config, device))
        self._compiled: Roller | None = None
        self._compile = config.rollout.compile

    def set_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over the weights that training changed; the others stay as loaded."""
        self._roller.get().denoiser.load_state_dict(weights, strict=False)

    def roll(self, request: RolloutRequest) -> Rollout:
        """One rollout, on the CPU."""
        return _collect([self._ready().roll(request)], torch.device("cpu"))

    def _ready(self) -> Roller:
        loaded = self._roller.get()
        if not self._compile:
            return loaded
        if self._compiled is None:
            denoiser: Any = torch.compile(loaded.denoiser)
            self._compiled = Roller(denoiser, loaded.sampler, loaded.latent_shape, loaded.device)
        return self._compiled


class RolloutPool:
    """One rank's actors. They end with it, so a restarted rank begins with new ones."""

    def __init__(self, load_roller: LoadRoller, config: FinetuneConfig, device: torch.device) -> None:
        actors = config.rollout.actors
        assert actors is not None
        self._device = device
        start: Any = ray.remote(RolloutActor).options(num_cpus=1, num_gpus=actors.gpus, scheduling_strategy="DEFAULT")
        count = actors.num // config.parallel.num_workers
        self._actors = [start.remote(load_roller, config) for _ in range(count)]
        self._references = _shared_queue() if config.parallel.num_workers > 1 else None

    def set_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Hand the trained weights, which rank 0 gives, to every actor; what is started from now on uses them.

        Collective: rank 0 puts them into Ray's store, and the others are told where they are. Nobody comes here again
        before all have taken that, as training in between is collective too.
        """
        if dist.get_rank() == 0:
            stored = ray.put(dict(weights))
            if self._references is not None:  # an empty queue is falsy
                self._references.put_nowait_batch([[stored]] * (dist.get_world_size() - 1))
        else:
            assert self._references is not None
            (stored,) = self._references.get()
        for actor in self._actors:  # an actor does its calls in order, so there is nothing to wait for
            actor.set_weights.remote(stored)

    def start(self, request: RolloutRequest) -> list[Any]:
        """Begin a rollout, its objects cut over the actors."""
        request = dataclasses.replace(request, condition=request.condition.to(torch.device("cpu")))
        objects = len(request.sample_ids)
        actors = self._actors[:objects]
        cuts = [round(i * objects / len(actors)) for i in range(len(actors) + 1)]
        parts = [request.part(slice(low, high)) for low, high in itertools.pairwise(cuts)]
        return [actor.roll.remote(part) for actor, part in zip(actors, parts, strict=True)]

    def finish(self, started: Sequence[Any]) -> Rollout:
        """Wait for a rollout that was begun."""
        return _collect(answers(list(started)), self._device)


def _shared_queue() -> Queue:
    """One queue for all ranks, made and owned by rank 0: it ends with it.

    Ray counts the references that pass through its own queue. Of one that is sent otherwise it would keep the object,
    a whole model, for as long as the sender lives.
    """
    shared: list[Any] = [None]
    if dist.get_rank() == 0:
        shared = [Queue(actor_options={"num_cpus": 0, "scheduling_strategy": "DEFAULT"})]
    dist.broadcast_object_list(shared)
    queue: Queue = shared[0]
    return queue


def _collect(parts: Sequence[Rollout], device: torch.device) -> Rollout:
    """The rollouts of some objects each as one of all, on ``device``."""

    def joined(tensors: Sequence[Mapping[int, torch.Tensor]]) -> dict[int, torch.Tensor]:
        return {step: torch.cat([part[step] for part in tensors], 1).to(device) for step in tensors[0]}

    return Rollout(joined([part.x0 for part in parts]), joined([part.latents for part in parts]))
