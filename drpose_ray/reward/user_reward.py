"""A user's own reward, named by its import path, and what is asked of it before and while a model learns from it."""

from __future__ import annotations

import importlib

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.reward.rewards import Reward

_PROBED_OBJECTS = 2
_CONTRACT = "a reward is function(latents_x0 (2, B, 6, 4, h, w), poses) -> (B,), see docs/reward.md"


def import_reward(path: str) -> Reward:
    """The callable that ``package.module:function`` names. Raises InputError if there is none."""
    module_name, _, name = path.partition(":")
    if not (module_name and name):
        raise InputError(
            "not an import path", field="function", value=path, remedy="write package.module:function"
        )  # fmt: skip
    try:
        reward = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # whatever the user's module raises while it is imported
        raise InputError(
            f"the reward cannot be imported ({type(error).__name__}: {error})",
            field="function",
            value=path,
            remedy="install its package or put its folder on PYTHONPATH, on every node",
        ) from error
    if not callable(reward):
        raise InputError(
            f"the import path leads to a {type(reward).__name__}, not to a function", field="function", value=path,
            remedy=_CONTRACT,
        )  # fmt: skip
    found: Reward = reward
    return found


class CheckedReward:
    """A user's reward whose answers are held to the contract at every call."""

    def __init__(self, name: str, reward: Reward) -> None:
        self._name, self._reward = name, reward

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        """Rewards (B,). Raises InputError if they have another shape, are not finite, or carry no gradient."""
        rewards = self._reward(latents_x0, poses)
        num_objects = latents_x0.shape[1]
        if not isinstance(rewards, torch.Tensor) or rewards.shape != (num_objects,):
            shape = tuple(rewards.shape) if isinstance(rewards, torch.Tensor) else type(rewards).__name__
            raise self._refuse(f"the reward is not one number per object ({num_objects} objects)", shape)
        if latents_x0.requires_grad and torch.is_grad_enabled() and not rewards.requires_grad:
            raise self._refuse("the reward carries no gradient: it was detached, or is a count", "requires_grad=False")
        # Latents that are not finite are the model's fault, and the training's own guard skips them.
        if not bool(rewards.isfinite().all()) and bool(latents_x0.isfinite().all()):
            raise self._refuse("the reward of finite latents is not finite", rewards.detach().tolist())
        return rewards.to(latents_x0.device, torch.float32)

    def probe(self, shape: tuple[int, ...], device: torch.device) -> None:
        """Ask it once about random latents (M, V, C, h, w) = ``shape``, before hours of training rely on it.

        Raises InputError as a call does, and if it fails, reads an object's neighbours, or has no gradient anywhere.
        """
        generator = torch.Generator().manual_seed(0)
        domains, *per_object = shape
        latents = torch.randn(domains, _PROBED_OBJECTS, *per_object, generator=generator).to(device).requires_grad_()
        joints = 0.3 * torch.randn(_PROBED_OBJECTS, NUM_JOINTS, 3, generator=generator)
        poses = PosedPeople(joints, torch.zeros(_PROBED_OBJECTS, 3), torch.full((_PROBED_OBJECTS,), 2.0))
        with torch.enable_grad():
            try:
                rewards = self(latents, poses)
                (gradient,) = torch.autograd.grad(rewards[0], latents, allow_unused=True)
            except InputError:
                raise
            except Exception as error:
                raise self._refuse("the reward fails on random latents", f"{type(error).__name__}: {error}") from error
        if gradient is None or not bool(gradient[:, 0].any()):
            raise self._refuse("the reward does not depend on the latents", "gradient is zero")
        if not bool(gradient.isfinite().all()):
            raise self._refuse("the gradient of the reward is not finite", "at random latents")
        if bool(gradient[:, 1:].any()):
            raise self._refuse("the reward of an object depends on the other objects of the batch", "gradient not zero")

    def _refuse(self, problem: str, value: object) -> InputError:
        return InputError(problem, field=f"finetune.reward.terms ({self._name})", value=value, remedy=_CONTRACT)
