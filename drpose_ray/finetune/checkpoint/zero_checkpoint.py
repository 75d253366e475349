"""Whole weights from the pieces of a ZeRO checkpoint, without the workers that wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.weight_files import read_tensors
from drpose_ray.finetune.checkpoint.checkpoint import is_complete
from drpose_ray.finetune.engine.average import AVERAGE_FILE
from drpose_ray.finetune.engine.engine import WEIGHTS_TAG
from drpose_ray.finetune.engine.lora import merge_lora

_PREFIX = "iteration_"


@dataclass(frozen=True)
class StoredCheckpoint:
    """One checkpoint of a run."""

    folder: Path
    iterations: int


def find_checkpoint(checkpoints: Path, iterations: int | None = None) -> StoredCheckpoint:
    """The whole checkpoint after that many iterations, by default the last. Raises InputError if there is none."""
    found = {
        int(path.name.removeprefix(_PREFIX)): path for path in checkpoints.glob(f"{_PREFIX}*") if is_complete(path)
    }
    if not found or (iterations is not None and iterations not in found):
        raise InputError(
            "no such checkpoint", file=checkpoints, field="export.iterations", value=iterations,
            remedy=f"choose one of {sorted(found)}" if found else "name the folder of a finetune run with checkpoints",
        )  # fmt: skip
    chosen = max(found) if iterations is None else iterations
    return StoredCheckpoint(found[chosen], chosen)


def read_zero_checkpoint(checkpoint: StoredCheckpoint, *, average: bool) -> dict[str, torch.Tensor]:
    """The U-Net's weights in float32 under their published names, LoRA merged; of any ZeRO stage and rank count.

    Args:
        average: the moving average in place of the last step's weights.

    DeepSpeed unpickles its files: give it only checkpoints that you or your own runs wrote.

    Raises InputError if the run kept no average.
    """
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    weights = get_fp32_state_dict_from_zero_checkpoint(str(checkpoint.folder), tag=WEIGHTS_TAG)
    whole = {name: torch.as_tensor(value).clone() for name, value in weights.items()}
    if average:
        stored = checkpoint.folder / AVERAGE_FILE
        if not stored.is_file():
            raise InputError(
                "the run kept no average of its weights", file=stored, field="export.average", value=True,
                remedy="export without it, or train with finetune.export.ema_decay",
            )  # fmt: skip
        whole |= {name: value for name, value in read_tensors(stored).items() if name}
    return merge_lora(whole)
