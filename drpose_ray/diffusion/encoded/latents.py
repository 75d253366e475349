"""Encoding a dataset of six-view renders by a model's VAE: what is to be done, one shard of it, and all in a row."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.derived import complete, start_or_resume
from drpose_ray.datasets.manifest import manifest_sha256, read_manifest
from drpose_ray.datasets.multiview import holds_face, pose_people, view_images
from drpose_ray.datasets.posed import PosedPeople, cat
from drpose_ray.datasets.shards.open_shard import FrameSample, read_shard
from drpose_ray.diffusion.encoded.latents_store import (
    MARKER,
    NOUN,
    LatentsRecord,
    latent_file,
    vae_sha256,
    write_latents,
)
from drpose_ray.diffusion.published.layout import load_vae, model_image_size
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.geometry.view_sets import PSHUMAN_VIEWS


@dataclass(frozen=True)
class EncodeTask:
    """Which dataset, by which model's VAE, to where. Absolute paths: workers change their current directory."""

    dataset: Path
    model: Path
    output: Path
    images_per_call: int = 12
    workers: int = 1
    gpus_per_worker: float = 0


def latents_folder(root: Path, dataset: Path, model: Path) -> Path:
    """Where below ``root`` the latents of a dataset by a model belong: another VAE or dataset has another folder."""
    record = plan_latents(dataset, model)
    origin = f"{record.dataset_sha256} {record.vae_sha256} {record.image_size}"
    return root / f"{dataset.name}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"


def plan_latents(dataset: Path, model: Path) -> LatentsRecord:
    """What the finished folder will say of itself.

    Raises InputError if the dataset is unfinished, lacks views, or has no ok frame.
    """
    manifest = read_manifest(dataset)
    first = next((row for row in manifest.shards if row.frames_ok), None)
    if first is None:
        raise InputError(
            "no frame of the dataset is ok: there is nothing to encode", file=dataset, field="frames_ok", value=0,
            remedy="see its manifest for what became of the frames, and synthesize or render it again",
        )  # fmt: skip
    sample = next(iter(read_shard(dataset, first)))
    return LatentsRecord(
        dataset_sha256=manifest_sha256(dataset),
        vae_sha256=vae_sha256(model),
        image_size=model_image_size(model),
        num_slots=PSHUMAN_VIEWS.num_views if holds_face(sample) else NUM_VIEWS,
        samples=manifest.frames_ok,
        files=tuple(latent_file(row.name) for row in manifest.shards),
    )


def missing_shards(task: EncodeTask, record: LatentsRecord) -> list[str]:
    """Start or resume the folder; names of the shards whose latents it lacks."""
    missing = set(start_or_resume(task.output, record, MARKER, NOUN))
    return [row.name for row in read_manifest(task.dataset).shards if latent_file(row.name) in missing]


def encode_here(task: EncodeTask, device: torch.device | None = None) -> Iterator[str]:
    """Encode what is missing in this process and complete the folder; yields the name of each shard as it is done.

    Raises InputError if the dataset is unfinished, lacks views or does not fit the model, or if the folder belongs to
    another dataset or VAE.
    """
    record = plan_latents(task.dataset, task.model)
    todo = missing_shards(task, record)
    if todo:
        encoder = ShardEncoder(task, record, device or torch.device("cpu"))
        for name in todo:
            encoder.encode(name)
            yield name
    complete(task.output, record, MARKER)


@torch.no_grad()
def encode_pixels(vae: ImageVAE, images: torch.Tensor, image_size: int, images_per_call: int) -> torch.Tensor:
    """Latents (n, C, h, w) float32 of uint8 images (n, 3, s, s), shrunk to ``image_size`` by mean of area."""
    batches = []
    for batch in images.split(images_per_call):
        pixels = batch.float() / 255
        if pixels.shape[-1] != image_size:
            pixels = F.interpolate(pixels, (image_size, image_size), mode="area")
        batches.append(vae.encode(pixels))
    return torch.cat(batches)


class ShardEncoder:
    """Holds the VAE; encodes shard after shard."""

    def __init__(self, task: EncodeTask, record: LatentsRecord, device: torch.device) -> None:
        self._task, self._record, self._device = task, record, device
        self._vae = load_vae(task.model).eval().requires_grad_(False).to(device)
        manifest = read_manifest(task.dataset)
        self._rows = {row.name: row for row in manifest.shards}
        self._duplicates = frozenset(manifest.duplicates)

    def encode(self, shard_name: str) -> None:
        """Publish the latents of that shard's ok frames. Raises InputError if the shard is torn or lacks views."""
        frames = read_shard(self._task.dataset, self._rows[shard_name])
        encoded = [self._encode_frame(sample) for sample in frames if sample.key not in self._duplicates]
        write_latents(self._task.output / latent_file(shard_name), cat(encoded) if encoded else self._nothing())

    def _nothing(self) -> PosedPeople:
        """No sample, in the right shape: a shard may have no ok frame."""
        side = self._record.image_size // self._vae.pixels_per_latent
        channels = int(self._vae.autoencoder.config.latent_channels)
        latents = torch.zeros(0, 2, self._record.num_slots, channels, side, side)
        return PosedPeople(torch.zeros(0, 23, 3), torch.zeros(0, 3), torch.zeros(0), latents=latents)

    @torch.no_grad()
    def _encode_frame(self, sample: FrameSample) -> PosedPeople:
        images = torch.from_numpy(view_images(sample, self._task.dataset, self._record.num_slots)).movedim(-1, -3)
        size = self._record.image_size
        if images.shape[-1] < size:
            raise InputError(
                "images smaller than the model's", file=self._task.dataset, field=sample.key, value=images.shape[-1],
                remedy=f"render at {size} px: what is not in the pixels will not be in the latents",
            )  # fmt: skip
        latents = encode_pixels(self._vae, images.flatten(0, 1).to(self._device), size, self._task.images_per_call)
        return dataclasses.replace(pose_people([sample]), latents=latents.cpu().unflatten(0, images.shape[:2])[None])
