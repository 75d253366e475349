"""An unfinished training on disk: one safetensors file, nothing unpickled, refused under other settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from drpose_ray.core.errors import InputError, is_no_space, no_space
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.runs.origin import as_json, refuse_another


@dataclass(frozen=True)
class Checkpoint:
    """Where a training is kept, and ``origin``: what its weights depend on, by dotted name."""

    path: Path
    origin: Mapping[str, Any]

    def save(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Publish a training's state: tensors, and JSON-able numbers. Raises InputError if the disk is full."""
        try:
            with replace_when_complete(self.path) as temporary:
                save_file(
                    {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                    temporary,
                    metadata={"numbers": json.dumps(numbers), "origin": json.dumps(dict(self.origin))},
                )
        except (OSError, SafetensorError) as error:
            if not is_no_space(error):
                raise
            raise no_space(self.path.parent, error) from error

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """What ``save`` published, if anything.

        Raises InputError if it is not a checkpoint, and AnotherRunError if it is of a training that would have gone
        elsewhere.
        """
        numbers = self._numbers()
        if numbers is None:
            return None
        with safe_open(self.path, framework="pt") as stored:
            return {name: stored.get_tensor(name).clone() for name in stored.keys()}, numbers  # noqa: SIM118 - no mapping

    def updates_done(self) -> int:
        """How far it has come; 0 if there is none. Raises as ``read`` does."""
        return int((self._numbers() or {"updates_done": 0})["updates_done"])

    def remove(self) -> None:
        """The training's result is published."""
        self.path.unlink(missing_ok=True)

    def _numbers(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as stored:
                metadata = stored.metadata()
            numbers, origin = (json.loads(metadata[name]) for name in ("numbers", "origin"))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"not a checkpoint of this job ({type(error).__name__})", file=self.path,
                remedy="delete it to begin again",
            ) from error  # fmt: skip
        refuse_another(origin, as_json(self.origin), file=self.path, noun="checkpoint")
        found: dict[str, Any] = numbers
        return found
