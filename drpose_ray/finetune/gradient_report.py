"""What the gradient of one iteration reports."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class GradientReport:
    """Eq. 2 on one batch, whose gradient has been accumulated in the parameters."""

    reward: Float[Tensor, " B"]  # mean over the plan's stops
    kl: float  # mean squared error of the outputs, averaged over the active steps; 0 without KL
    loss: float  # (1 - mean reward) + w_KL kl
    latents_x0: Float[Tensor, "M B V C h w"]  # what was rewarded at the stop step
    active_steps: tuple[int, ...]  # whose gradient is in it
    num_denoiser_calls: int  # forward passes of the trainable denoiser
