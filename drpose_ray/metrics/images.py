"""PSNR, SSIM and sharpness, as they are meant everywhere in this project.

Pictures are in [0, 1], channels first. Every function keeps the leading axes: one number per picture, to be averaged
over the pictures one wants.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from skimage.metrics import structural_similarity

_PSNR_CEILING_DB: Final = 100.0


def psnr_db(pictures: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio over the full frame, data range 1; (…, C, h, w) twice -> (…,). At most 100 dB.

    A stack that is to be measured by the error over all of it, and not by the mean of its pictures' decibels, is given
    as one picture of many channels (``as_one_picture``).
    """
    mean_square = (pictures.double() - truth.double()).square().mean((-3, -2, -1))
    return (-10 * torch.log10(mean_square)).clamp(max=_PSNR_CEILING_DB)


def as_one_picture(views: torch.Tensor) -> torch.Tensor:
    """(N, …, C, h, w) -> (N, … C, h, w)."""
    return views.flatten(1, -3)


def ssim(pictures: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Structural similarity as first defined (Wang et al. 2004): 11 x 11 Gaussian window of sigma 1.5, data range 1;
    (…, C, h, w) twice, sides of at least 11 -> (…,).

    Full frame: a white background agrees in any two images, so values are high and differences small.
    """
    flat = pictures.double().flatten(0, -4).cpu().numpy()
    flat_truth = truth.double().flatten(0, -4).cpu().numpy()
    values = [
        # truncate 3.5 makes skimage's Gaussian window 11 wide, as in the original definition.
        structural_similarity(  # type: ignore[no-untyped-call]
            picture,
            reference,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for picture, reference in zip(flat, flat_truth, strict=True)
    ]
    return torch.from_numpy(np.asarray(values)).reshape(pictures.shape[:-3])


def sharpness(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How like the truth's edge energy that of the images is, 0..1: the smaller through the larger of the two.

    Energy is the mean square of the differences of neighbouring pixels. It knows nothing of where an edge belongs, and
    is here because PSNR, SSIM and pose readers like pictures better when they are smeared, and this does not.

    Args:
        images, truth: (…, 3, h, w) each.

    Returns:
        (…,); 1 where both are without any edge.
    """
    energy, true_energy = _edge_energy(images), _edge_energy(truth)
    larger = torch.maximum(energy, true_energy)
    return torch.where(larger > 0, torch.minimum(energy, true_energy) / larger.clamp(min=1e-12), 1.0)


def _edge_energy(images: torch.Tensor) -> torch.Tensor:
    values = images.double()
    return sum((values.diff(dim=axis).square().mean((-3, -2, -1)) for axis in (-1, -2)), start=torch.zeros(()))
