"""Training the small I2MV base model: U-Net and image encoder together, on latents of rendered people.

The paper starts from PSHuman or Era3D. Their small twin is trained here with their recipe (docs/facts/i2mv.md, 4):
squared error on v, condition dropped as a whole, exponential moving average exported. Both domains of a person share
the timestep, as they do at inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from drpose_ray.core.seeding import derive_seed, torch_stream
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.fit import Fit, OnUpdate
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.config import BaseFitConfig
from drpose_ray.diffusion.i2mv import ImageToMultiView


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
    on_update: OnUpdate,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train ``model.unet`` and ``model.image_encoder`` in place, on its device, to their averaged weights.

    Goes on from ``checkpoint``, if there is one.
    """

    def loss(update: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        error = _loss(model, data, settings, derive_seed(seed, "base", update))
        return error, {"loss": error.detach()}

    trained = torch.nn.ModuleList([model.unet, model.image_encoder]).requires_grad_(True).train()
    average = Fit(trained, settings, loss, {}, checkpoint=checkpoint).run(on_update)
    trained.load_state_dict(average.state_dict())
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
