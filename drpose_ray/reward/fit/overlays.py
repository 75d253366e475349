"""Pictures of what a predictor reads: its skeleton over the decoded view, beside the true one."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional as F

from drpose_ray.core.drawing.pictures import grid, to_pixels
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.reward.fit.latent_poses import LatentPoses
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import compose_preview

_PEOPLE, _VIEWS, _CELL = 3, (0, 1, 2, 3), 160
_FADED, _COVER = 0.3, 0.7  # how much of the view is white under the skeleton, and how much the skeleton hides at most


class Overlays:
    """Sheets of the first people held out: a row each; for each view the predicted skeleton, then the true one."""

    def __init__(self, held_out: LatentPoses, vae: ImageVAE) -> None:
        """Decodes the views once; the VAE is not kept."""
        self._rows = held_out.first_rows(_PEOPLE)
        self._data = held_out
        latents, _ = held_out.pick(self._rows, torch.tensor(_VIEWS), map_size=8)
        with torch.no_grad():
            colors = torch.stack([vae.decode(views) for views in latents[1].to(next(vae.parameters()).device)])
        self._views: torch.Tensor = _enlarge(colors.cpu())  # (people, views, 3, cell, cell)

    @torch.no_grad()
    def draw(self, predictor: SkeletonPredictor, path: Path) -> None:
        """Publish a PNG of what ``predictor`` sees in clean latents."""
        device = next(predictor.parameters()).device
        latents, maps = self._data.pick(self._rows, torch.tensor(_VIEWS), predictor.config.map_size, device)
        predicted = predictor(latents).sigmoid().cpu()
        cells = torch.stack([self._over_views(predicted), self._over_views(maps.cpu())], 2)  # (P, v, 2, 3, cell, cell)
        with replace_when_complete(path) as temporary:
            Image.fromarray(grid(to_pixels(cells.flatten(1, 2)))).save(temporary, "PNG")

    def _over_views(self, maps: torch.Tensor) -> torch.Tensor:
        glow = _enlarge(compose_preview(maps))
        cover = _COVER * glow.amax(2, keepdim=True).clamp(0, 1)
        faded = self._views * (1 - _FADED) + _FADED
        shown: torch.Tensor = (faded * (1 - cover) + _COVER * glow).clamp(0, 1)
        return shown


def _enlarge(images: torch.Tensor) -> torch.Tensor:
    """(P, v, 3, s, s) -> (P, v, 3, cell, cell)."""
    enlarged: torch.Tensor = F.interpolate(images.flatten(0, 1), (_CELL, _CELL), mode="bilinear", align_corners=False)
    sheets: torch.Tensor = enlarged.unflatten(0, images.shape[:2])
    return sheets
