"""Training the small I2MV base model: U-Net and image encoder together, on latents of rendered people.

The paper starts from PSHuman or Era3D. Their small twin is trained here with their recipe (docs/facts/i2mv.md, 4):
squared error on v, condition dropped as a whole, exponential moving average exported. Both domains of a person share
the timestep, as they do at inference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.config import BaseFitConfig
from drpose_ray.diffusion.gradient import clip_gradient
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.origin import say_resuming
from drpose_ray.publish import replace_when_complete
from drpose_ray.seeding import derive_seed, torch_stream

_WARM_UP = 100


@dataclass(frozen=True)
class MultiViewLatents:
    """A training set in memory. ``mean`` and ``std`` (N, M, V, 4, h, w) of the posterior, scaled; ``input_images``
    (N, 3, c, c) in [0, 1] at the image encoder's size. The condition latent is the colour front view's mean.
    """

    mean: torch.Tensor
    std: torch.Tensor
    input_images: torch.Tensor

    def __len__(self) -> int:
        return len(self.mean)


def fit_base(
    model: ImageToMultiView,
    data: MultiViewLatents,
    settings: BaseFitConfig,
    seed: int,
    checkpoint: Path,
    on_step: Callable[[int, dict[str, float]], None],
) -> None:
    """Train ``model.unet`` and ``model.image_encoder`` in place, on its device.

    Resumes from ``checkpoint`` if that exists.
    """
    trained = torch.nn.ModuleList([model.unet, model.image_encoder]).requires_grad_(True).train()
    average = {name: value.detach().clone() for name, value in trained.state_dict().items()}
    optimizer = torch.optim.AdamW(trained.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    start = _resume(checkpoint, trained, average, optimizer, model.text.device)
    say_resuming("update", start, settings.num_updates)
    for step in range(start, settings.num_updates):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.num_updates)
        loss = _loss(model, data, settings, derive_seed(seed, "base", step))
        optimizer.zero_grad()
        loss.backward()
        clip_gradient(
            trained.parameters(), 1.0, update=step + 1, learning_rate=settings.learning_rate, field="learning_rate"
        )
        optimizer.step()
        decay = min(settings.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in trained.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        on_step(step, {"loss": loss.item()})
        if (step + 1) % settings.checkpoint_every == 0:
            state = {"step": step + 1, "weights": trained.state_dict(), "average": average}
            with replace_when_complete(checkpoint) as temporary:
                torch.save({**state, "optimizer": optimizer.state_dict()}, temporary)
    trained.load_state_dict(average)
    trained.eval().requires_grad_(False)


def _loss(model: ImageToMultiView, data: MultiViewLatents, settings: BaseFitConfig, seed: int) -> torch.Tensor:
    generator = torch_stream(seed, "batch")
    size = settings.batch_size
    device = model.text.device  # everything is drawn on the CPU, so that the draws are the same on any device
    chosen = torch.randint(len(data), (size,), generator=generator)
    mean, std = data.mean[chosen].float(), data.std[chosen].float()
    x0 = (mean + std * torch.randn(mean.shape, generator=generator)).transpose(0, 1).to(device)  # (M, B, V, 4, h, w)
    # One timestep per person, spread evenly over the batch: the loss of a single draw is mostly its timestep's.
    strata = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    timestep = (strata * model.schedule.num_train_timesteps).long().to(device)
    noise = torch.randn(x0.shape, generator=generator).to(device)
    per_domain = timestep.expand(x0.shape[0], size)
    embedding = model.image_encoder(data.input_images[chosen].float().to(device))
    condition = Condition.from_inputs(mean[:, 1, :1].to(device), embedding[:, None], model.text)
    condition = _drop(condition, settings.condition_dropout, torch.rand(size, generator=generator).to(device))
    output = model.unet(model.schedule.add_noise(x0, noise, per_domain), per_domain, condition)
    return F.mse_loss(output, model.schedule.velocity(x0, noise, per_domain))


def _drop(condition: Condition, rate: float, draw: torch.Tensor) -> Condition:
    """Per person: embedding dropped, embedding and latent dropped, or latent dropped, each at ``rate``."""
    keep_embedding = (draw >= 2 * rate).float()
    keep_latent = ((draw < rate) | (draw >= 3 * rate)).float()
    return Condition(
        condition.image_latents * keep_latent[:, None, None, None, None],
        condition.class_labels * keep_embedding[:, None, None],
        condition.text,
    )


def _schedule(step: int, total: int) -> float:
    """Warm-up, constant to half, cosine to 5 %."""
    tail = max(0.0, (step / total - 0.5) / 0.5)
    return min(1.0, (step + 1) / _WARM_UP) * (0.05 + 0.95 * math.cos(tail * math.pi / 2) ** 2)


def _resume(
    checkpoint: Path,
    trained: torch.nn.Module,
    average: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> int:
    if not checkpoint.exists():
        return 0
    state: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location=device)
    trained.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    average.update(state["average"])
    return int(state["step"])
