"""The exponential moving average of the trained weights, which exports smoother than the last step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from drpose_ray.diffusion.weight_files import read_tensors
from drpose_ray.publish import replace_when_complete

AVERAGE_FILE = "average.safetensors"


class WeightAverage:
    """Averages named float32 tensors on the CPU. Lives on rank 0; the others only take part in gathering."""

    def __init__(self, weights: Mapping[str, torch.Tensor], decay: float) -> None:
        self.weights = {name: value.clone() for name, value in weights.items()}
        self._decay = decay
        self._updates = 0

    def update(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Move towards the weights of one more step; the first steps count more, so that the start is forgotten."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, value in weights.items():
            self.weights[name].lerp_(value, 1 - decay)

    def save(self, folder: Path) -> None:
        """Write ``average.safetensors`` into a checkpoint folder."""
        with replace_when_complete(folder / AVERAGE_FILE) as temporary:
            save_file({**self.weights, "": torch.tensor(self._updates)}, temporary)

    def load(self, folder: Path) -> None:
        """Continue what ``save`` wrote."""
        stored = read_tensors(folder / AVERAGE_FILE)
        self._updates = int(stored.pop(""))
        self.weights = {name: value.clone() for name, value in stored.items()}
