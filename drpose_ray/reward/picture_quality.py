"""PSNR and SSIM of skeleton maps, two of the measures of Table 3."""

from __future__ import annotations

import numpy as np
import torch
from skimage.metrics import structural_similarity

_LEAST_MEAN_SQUARE = 1e-10  # equal pictures have 100 dB


def psnr_db(pictures: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(N,) of stacks (N, ...) of values in [0, 1], from the error over all other axes."""
    mean_square = (pictures - targets).square().flatten(1).mean(1)
    return -10 * mean_square.clamp_min(_LEAST_MEAN_SQUARE).log10()


def ssim(pictures: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(N,) structural similarity in windows of 7 pixels, the mean over the views of (N, V, 3, s, s) in [0, 1]."""
    pairs = zip(pictures.flatten(0, 1).cpu().numpy(), targets.flatten(0, 1).cpu().numpy(), strict=True)
    values = [structural_similarity(*pair, channel_axis=0, data_range=1.0) for pair in pairs]  # type: ignore[no-untyped-call]
    return torch.from_numpy(np.array(values)).reshape(pictures.shape[:2]).mean(1)
