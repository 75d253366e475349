"""The perceptual side of the reward's distance (Sec. 4.1): LPIPS, or the same comparison on random features.

LPIPS is a backbone trained on ImageNet plus calibrated layer weights. The ``lpips`` package ships only the latter. With
a file of backbone weights the class below is LPIPS. Without one it compares seeded random features of the same network
with plain layer averages; that is a multi-scale edge and texture distance without any human calibration, and it must
not be reported under LPIPS's name: print ``name``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there, refusing
from drpose_ray.core.files.weight_files import refuse_nonfinite
from drpose_ray.core.torchvision_ops import define_missing_operators

_RANDOM_FEATURE_SEED = 2603  # fixed: distances of different runs have to be comparable


class PerceptualDistance(nn.Module):
    """Frozen backbone comparing images in [0, 1]; ``name`` says what it measures."""

    name: Literal["lpips", "random-feature distance"]

    def __init__(
        self,
        backbone: Literal["squeeze", "alex", "vgg"] = "squeeze",
        backbone_weights: Path | None = None,
        min_size: int = 64,
    ) -> None:
        """``backbone_weights`` is torchvision's state dict of that network. Raises InputError if it does not fit."""
        super().__init__()
        self.min_size = min_size
        calibrated = backbone_weights is not None
        self.name = "lpips" if calibrated else "random-feature distance"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_FEATURE_SEED)
            self.network = _import_lpips().LPIPS(
                net=backbone, pnet_rand=True, lpips=calibrated, pretrained=calibrated, verbose=False
            )
        if backbone_weights is not None:
            _load_backbone(self.network.net, backbone_weights)
        self.requires_grad_(False).eval()

    def forward(self, images: Float[Tensor, "N 3 s s"], targets: Float[Tensor, "N 3 s s"]) -> Float[Tensor, " N"]:
        """Distances between images in [0, 1]; differentiable in ``images``."""
        if images.shape[-1] < self.min_size:
            images, targets = (
                F.interpolate(batch, size=(self.min_size, self.min_size), mode="bilinear", align_corners=False)
                for batch in (images, targets)
            )
        distances: Tensor = self.network(images, targets, normalize=True)
        return distances.flatten()

    def train(self, mode: bool = True) -> PerceptualDistance:  # noqa: ARG002
        """Stays in evaluation mode: dropout in the layer weights would make the distance random."""
        return super().train(False)


def _load_backbone(backbone: nn.Module, path: Path) -> None:
    """Fill lpips' slices, which keep torchvision's layer numbers, from a torchvision state dict."""
    remedy = "give torchvision's ImageNet state dict of the configured backbone"
    field = "distance.backbone_weights"
    if not is_there(path, field):  # a pipe would be waited for
        raise InputError("not usable as backbone weights: no such file", file=path, field=field, remedy=remedy)
    # (torchvision's older files are no archives, so torch itself has to read them: tensors, and nothing that runs; for
    # what is more it raises an error of pickle's own kind.)
    with refusing(path, field, "not usable as backbone weights", remedy, also=(Exception,)):
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        features = {name.removeprefix("features."): tensor for name, tensor in state.items()}
        wanted = {name: features[name.split(".", 1)[1]] for name in backbone.state_dict()}
        backbone.load_state_dict(wanted)
        for name, tensor in backbone.state_dict().items():
            refuse_nonfinite(tensor, path, name)


def _import_lpips() -> Any:
    define_missing_operators()
    import lpips  # imports torchvision, which needs the line above

    return lpips
