"""The "KL" of Sec. 4.1: the mean squared error between the outputs of the trained and of the initial denoiser."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def kl_divergence(output: Float[Tensor, "*axes"], initial_output: Float[Tensor, "*axes"]) -> Float[Tensor, ""]:
    """Mean over all elements of the squared difference, which differentiates into ``output`` alone.

    The paper says predicted noise. Here both are raw outputs at the same latents: under v-prediction the noise differs
    by the factor alpha(t) only, which would make the term vanish at the noisy end.
    """
    return torch.nn.functional.mse_loss(output, initial_output.detach())
