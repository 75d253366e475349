"""Conditions of a dataset on disk, so that training holds neither VAE nor image encoder.

A folder holds one safetensors file per shard of pairs and, written last, ``conditions.json``: which encoders and which
dataset they are of. They are looked up by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.weight_files import parts_sha256
from drpose_ray.datasets.derived import DerivedRecord, read_record, refuse_other_origin
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.encoded.sample_file import read_samples, refuse_nonfinite_samples, write_samples

MARKER: Final = "conditions.json"
_TENSORS: Final = {
    "latents": ((None, None, None, None), (torch.float32,)), "labels": ((None, None), (torch.float32,))
}  # fmt: skip
_REMEDY: Final = "delete that file and run jobs/encode_conditions.py again"
_ENCODER_PARTS: Final = ("vae", "image_encoder", "image_normalizer", "image_noising_scheduler")


class ConditionsRecord(DerivedRecord):
    """What ``conditions.json`` says."""

    encoders_sha256: str


def encoders_sha256(model: Path) -> str:
    """Hash of everything in a model folder that makes conditions: VAE, image encoder, normaliser, noise levels."""
    return parts_sha256(model, _ENCODER_PARTS)


def condition_file(folder: Path, shard_name: str) -> Path:
    """Where the conditions of a shard are kept."""
    return folder / f"{Path(shard_name).stem}.safetensors"


def write_conditions(path: Path, sample_ids: Sequence[str], latents: torch.Tensor, labels: torch.Tensor) -> None:
    """Publish the conditions of one shard: latents (n, I, 4, h, w) and class labels (n, I, E), float32.

    Raises InputError if one is not finite.
    """
    tensors = {"latents": latents.float(), "labels": labels.float()}
    for name, tensor in tensors.items():
        refuse_nonfinite_samples(
            sample_ids, tensor, path, f"the encoders give {name}",
            "check the model's weights: the published ones encode in float32",
        )  # fmt: skip
    write_samples(path, sample_ids, tensors)


class ConditionStore:
    """Looks up conditions; files are mapped, so only what is asked for is read."""

    def __init__(self, folder: Path, model: Path, dataset_sha256: str | None = None) -> None:
        """Raises InputError if the folder is incomplete, or of other encoders or another dataset."""
        record = read_record(
            folder, ConditionsRecord, MARKER, "conditions", field="finetune.data.conditions",
            job="jobs/encode_conditions.py",
        )  # fmt: skip
        expected: dict[str, tuple[object, str]] = {
            "encoders_sha256": (encoders_sha256(model), f"the VAE and image encoder of {model}")
        }
        if dataset_sha256 is not None:
            expected["dataset_sha256"] = (dataset_sha256, "the dataset")
        refuse_other_origin(folder / MARKER, record, "conditions", expected)
        self._folder = folder
        self._shapes: dict[str, torch.Size] = {}
        self._place: dict[str, tuple[str, int]] = {}
        for name in record.files:
            samples, tensors = read_samples(folder, name, _TENSORS, _REMEDY)
            for key, tensor in tensors.items():
                if self._shapes.setdefault(key, tensor.shape[1:]) != tensor.shape[1:]:
                    raise InputError(
                        "conditions of several sizes in one folder", file=folder / name, field=key,
                        value=tuple(tensor.shape), remedy=_REMEDY,
                    )  # fmt: skip
            self._place |= {sample: (name, row) for row, sample in enumerate(samples)}

    def look_up(self, sample_ids: Sequence[str], text: torch.Tensor) -> Condition:
        """The condition of those samples, on the device of ``text``. Raises InputError for an unknown sample."""
        latents, labels = [], []
        for sample in sample_ids:
            if sample not in self._place:
                raise InputError(
                    "no condition of this sample", file=self._folder, field="sample", value=sample,
                    remedy="make the conditions of this dataset with jobs/encode_conditions.py",
                )  # fmt: skip
            name, row = self._place[sample]
            with safe_open(self._folder / name, framework="pt") as stored:
                latents.append(stored.get_slice("latents")[row])
                labels.append(stored.get_slice("labels")[row])
            if not (latents[-1].isfinite().all() and labels[-1].isfinite().all()):
                raise InputError(
                    "a condition that is not finite", file=self._folder / name, field=sample, remedy=_REMEDY
                )
        return Condition.from_inputs(torch.stack(latents).to(text.device), torch.stack(labels).to(text.device), text)
