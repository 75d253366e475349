"""Folders of latents that can be learned from, without renders: the small model's size, drawn stick people."""

from __future__ import annotations

from pathlib import Path

from drpose_ray.datasets.derived import complete
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.diffusion.encoded.latents_store import MARKER, LatentsRecord, latent_file, vae_sha256, write_latents
from drpose_ray.diffusion.published.layout import save_i2mv
from tests.reward.posed_people import draw_joints, draw_latents, frame_joints


def write_model(folder: Path) -> Path:
    """The small model, untrained."""
    save_i2mv(build_i2mv(small_architecture(), seed=0), folder)
    return folder


def write_people(
    folder: Path,
    model: Path,
    shards: int = 2,
    people: int = 6,
    frames: int = 2,
    side: int = 16,
    scans_per_person: int = 1,
) -> Path:
    """``people`` records per shard in ``frames`` frames each, with latents of ``side`` cells.

    One person is shown by ``scans_per_person`` records on end, across shards.
    """
    files, per_shard = [], people * frames
    for shard in range(shards):
        joints = draw_joints(per_shard, seed=shard)
        center, width = frame_joints(joints)
        ids = [f"person{shard}x{row // frames}.{row % frames:02d}" for row in range(per_shard)]
        files.append(latent_file(f"shard-{shard:06d}.tar"))
        persons = tuple(str((shard * people + row // frames) // scans_per_person) for row in range(per_shard))
        shown = PosedPeople(joints, center, width, tuple(ids), persons, latents=draw_latents(joints, side))
        write_latents(folder / files[-1], shown)
    record = LatentsRecord(
        dataset_sha256=folder.name, vae_sha256=vae_sha256(model), image_size=96, num_slots=6,
        samples=shards * per_shard, files=tuple(files),
    )  # fmt: skip
    complete(folder, record, MARKER)
    return folder
