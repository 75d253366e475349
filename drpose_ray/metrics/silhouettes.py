"""Generated views against ground-truth renders: silhouettes and normals (PSNR and SSIM: ``metrics.images``).

Images are float in [0, 1], channels first, on white. Every function keeps the leading axes, so a caller gets one
number per view and averages over the views it wants.
"""

from __future__ import annotations

from typing import Final

import torch

_NO_OVERLAP_ANGLE_DEG: Final = 90.0


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


def silhouette_iou(mask: torch.Tensor, truth_mask: torch.Tensor) -> torch.Tensor:
    """Intersection over union of two (…, h, w) bool masks -> (…,). Two empty masks agree: 1."""
    intersection = (mask & truth_mask).sum((-2, -1)).double()
    union = (mask | truth_mask).sum((-2, -1)).double()
    return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)


def fixed_mask_iou(masks: torch.Tensor) -> torch.Tensor:
    """(N,) silhouette IoU, mean over views, of the best single mask per view, drawn for everybody.

    Args:
        masks: (N, V, h, w) bool. The mask of a view is where more than a share of the people are, with the share that
            scores best on average. It knows what people have in common and nothing of any one of them.
    """
    shares = masks.double().mean(0)
    best = []
    for view in range(masks.shape[1]):
        ious = [
            silhouette_iou((shares[view] > share).expand_as(masks[:, view]), masks[:, view])
            for share in torch.arange(0.05, 0.95, 0.05)
        ]
        best.append(max(ious, key=lambda iou: float(iou.mean())))
    return torch.stack(best).mean(0)


def normal_angle_deg(normals: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean angle in degrees between normals stored as (n + 1) / 2, inside ``mask``.

    Args:
        normals, truth: (…, 3, h, w); both are normalised first, a generated normal need not have unit length.
        mask: (…, h, w) bool, usually the pixels where both images show the person.

    Returns:
        (…,); 90 degrees, the angle of knowing nothing, where ``mask`` is empty.
    """
    unit = torch.nn.functional.normalize(2 * normals.double() - 1, dim=-3)
    unit_truth = torch.nn.functional.normalize(2 * truth.double() - 1, dim=-3)
    angle = torch.rad2deg(torch.acos((unit * unit_truth).sum(-3).clamp(-1, 1)))
    count = mask.sum((-2, -1))
    mean = (angle * mask).sum((-2, -1)) / count.clamp(min=1)
    return torch.where(count > 0, mean, _NO_OVERLAP_ANGLE_DEG)


def normal_error_deg(
    normals: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor, truth_mask: torch.Tensor
) -> torch.Tensor:
    """Mean angle over the true silhouette, 90 degrees where ``mask`` misses it; shapes as ``normal_angle_deg``.

    The angle inside the overlap alone is measured where a model's own silhouette allows: whoever draws only the easy
    pixels looks good, whoever finds a hard limb is charged for it. This one is over the same pixels for every model.
    """
    overlap = mask & truth_mask
    covered = overlap.sum((-2, -1)).double() / truth_mask.sum((-2, -1)).clamp(min=1)
    return covered * normal_angle_deg(normals, truth, overlap) + (1 - covered) * _NO_OVERLAP_ANGLE_DEG
