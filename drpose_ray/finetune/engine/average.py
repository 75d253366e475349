"""The exponential moving average of the trained weights, which exports smoother than the last step."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.weight_files import read_tensors
from drpose_ray.core.training.average import follow
from drpose_ray.finetune.engine.engine import DenoiserEngine

AVERAGE_FILE = "average.safetensors"


class WeightAverage:
    """Each rank averages, in float32, the part of the weights that it holds, where it holds it.

    Nothing moves between ranks or to the CPU until the average is wanted whole.
    """

    def __init__(self, engine: DenoiserEngine, decay: float) -> None:
        self._engine, self._decay, self._updates = engine, decay, 0
        self._parts = {name: part.float().clone() for name, part in engine.held_weights().items()}

    def update(self) -> None:
        """Move towards the weights of one more step; the first steps count more, so that the start is forgotten."""
        for name, part in self._engine.held_weights().items():  # one by one: in float32 all are a second copy
            follow([self._parts[name]], [part.float()], self._decay, self._updates)
        self._updates += 1

    def whole(self) -> dict[str, torch.Tensor]:
        """The average by name, on the CPU of rank 0; the others get nothing. Collective under ZeRO 3."""
        return self._engine.join(self._parts)

    def save(self, folder: Path) -> None:
        """Write ``average.safetensors`` into a checkpoint folder, on rank 0. Collective under ZeRO 3."""
        if whole := self.whole():
            with replace_when_complete(folder / AVERAGE_FILE) as temporary:
                save_file({**whole, "": torch.tensor(self._updates)}, temporary)

    def load(self, folder: Path) -> None:
        """Continue what ``save`` wrote; every rank that averages something reads its part."""
        if not self._parts:
            return
        stored = read_tensors(folder / AVERAGE_FILE)
        self._updates = int(stored.pop(""))
        for name, part in self._engine.cut(stored).items():
            self._parts[name].copy_(part)
