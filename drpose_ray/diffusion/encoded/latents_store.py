"""Latents of six-view renders on disk, so that networks which read latents need neither images nor VAE.

A folder holds one safetensors file per shard of the dataset and, written last, ``latents.json``: of which dataset, by
which VAE and from images of which size. Reading maps the files: what is not asked for takes no memory, and what has
been asked for can be dropped by the system again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.weight_files import parts_sha256
from drpose_ray.datasets.derived import DerivedRecord, read_record, refuse_other_origin
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.encoded.sample_file import FLOATS, read_samples, refuse_nonfinite_samples, write_samples
from drpose_ray.diffusion.published.layout import model_image_size
from drpose_ray.geometry.cameras import NUM_VIEWS

MARKER: Final = "latents.json"
NOUN: Final = "latents"
_SETTING: Final = "reward.latents"
_JOB: Final = "jobs/encode_latents.py"


class LatentsRecord(DerivedRecord):
    """What ``latents.json`` says."""

    vae_sha256: str
    image_size: int
    """Pixels per side of what was encoded."""
    num_slots: int
    """Six views, or seven with PSHuman's face."""


def vae_sha256(model: Path) -> str:
    """Hash of the VAE in a model folder."""
    return parts_sha256(model, ("vae",))


def latent_file(shard_name: str) -> str:
    """Name of the file with a shard's latents."""
    return f"{Path(shard_name).stem}.safetensors"


def write_latents(path: Path, shard: PosedPeople) -> None:
    """Publish the latents of one shard's ok frames: true views, nothing mirrored.

    Raises InputError if half precision cannot hold one of them.
    """
    tensors = {
        "latents": shard.latents.half(), "joints": shard.joints.float(), "center": shard.center.float(),
        "width": shard.width_m.float(), "person_seeds": torch.tensor([*map(int, shard.persons)], dtype=torch.int64),
    }  # fmt: skip
    refuse_nonfinite_samples(
        shard.sample_ids, tensors["latents"], path, "the VAE gives latents",
        "check the VAE's weights: the published ones encode in float32",
    )  # fmt: skip
    write_samples(path, shard.sample_ids, tensors)


def read_latents_record(folder: Path, model: Path | None = None) -> LatentsRecord:
    """What a finished folder says of itself.

    Raises InputError if it is not finished, or with a ``model``, if it is not of that model's VAE and image size.
    """
    record = read_record(folder, LatentsRecord, MARKER, NOUN, field=_SETTING, job=_JOB)
    if model is not None:
        expected: dict[str, tuple[object, str]] = {
            "vae_sha256": (vae_sha256(model), f"the VAE of {model}"),
            "image_size": (model_image_size(model), f"the image size of {model}"),
        }
        refuse_other_origin(folder / MARKER, record, NOUN, expected)
    return record


def open_latents(folder: Path, model: Path | None = None) -> list[PosedPeople]:
    """The people of each shard of a finished folder, latents (n, M=2, V, C, h, w) float16 mapped.

    Raises InputError as ``read_latents_record`` does, or if a file is missing, damaged or not of the record.
    """
    record = read_latents_record(folder, model)
    shards = [_open(folder, name, record.num_slots) for name in record.files]
    samples = sum(len(shard.sample_ids) for shard in shards)
    if samples != record.samples:
        raise InputError(
            "the folder does not hold as many samples as it says", file=folder / MARKER, field="samples",
            value=f"{record.samples}, found {samples}", remedy=f"delete the folder and run {_JOB} again",
        )  # fmt: skip
    _refuse_mixed_sizes(shards, folder)
    return shards


def _refuse_mixed_sizes(shards: Sequence[PosedPeople], folder: Path) -> None:
    sizes = {tuple(shard.latents.shape[3:]) for shard in shards}
    if len(sizes) > 1:
        raise InputError(
            "latents of several sizes in one folder", file=folder, field="latents", value=sorted(sizes)[:4],
            remedy=f"delete the folder and run {_JOB} again",
        )  # fmt: skip


class MappedLatents:
    """Rows of several mapped tensors, as if they were one (N, M, V=6, C, h, w) tensor that is read by row.

    Datasets with a face beside those without are read as one: a seventh slot is left on disk.
    """

    def __init__(self, files: Sequence[torch.Tensor], places: Sequence[tuple[int, int]]) -> None:
        """``places`` are the rows, each a file's number and a row in it."""
        self._files, self._places = files, places
        self.shape = torch.Size((len(places), files[0].shape[1], NUM_VIEWS, *files[0].shape[3:]))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """(len(rows), M, V=6, C, h, w) float16, read now."""
        places = (self._places[i] for i in rows.tolist())
        return torch.stack([self._files[file][row, :, :NUM_VIEWS] for file, row in places])

    def take(self, rows: Sequence[int]) -> MappedLatents:
        """Those rows, not read."""
        return MappedLatents(self._files, [self._places[row] for row in rows])


def _open(folder: Path, name: str, num_slots: int) -> PosedPeople:
    remedy = f"delete the file and run {_JOB} again"
    expected = {
        "latents": ((2, num_slots, None, None, None), FLOATS), "joints": ((23, 3), (torch.float32,)),
        "center": ((3,), (torch.float32,)), "width": ((), (torch.float32,)), "person_seeds": ((), (torch.int64,)),
    }  # fmt: skip
    sample_ids, tensors = read_samples(folder, name, expected, remedy)
    latents, joints, center, width, seeds = (tensors[name] for name in expected)
    for field, tensor in (("joints", joints), ("center", center), ("width", width)):  # latents when they are read
        if not tensor.isfinite().all() or (field == "width" and not (tensor > 0).all()):
            raise InputError("poses or cameras that cannot be", file=folder / name, field=field, remedy=remedy)
    return PosedPeople(joints, center, width, sample_ids, tuple(map(str, seeds.tolist())), latents=latents)
