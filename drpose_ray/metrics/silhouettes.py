"""How well silhouettes agree. Masks are bool; every function keeps the leading axes."""

from __future__ import annotations

import torch


def silhouette_iou(mask: torch.Tensor, truth_mask: torch.Tensor, of_nothing: float = 1.0) -> torch.Tensor:
    """Intersection over union of two (…, h, w) bool masks -> (…,); ``of_nothing`` where both are empty.

    Two pictures that both show nobody agree, so by default that is 1. A filter that asks whether somebody is where
    they should be gives 0.
    """
    intersection = (mask & truth_mask).sum((-2, -1)).double()
    union = (mask | truth_mask).sum((-2, -1)).double()
    return torch.where(union > 0, intersection / union.clamp(min=1), of_nothing)


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
