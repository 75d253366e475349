"""Datasets of six views drawn from random numbers: small, written through the real shard writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drpose_ray.datasets.identity import DatasetIdentity, GeneratorIdentity, Segment
from drpose_ray.datasets.manifest import complete_dataset, open_dataset
from drpose_ray.datasets.record import FrameStatus, Licence, Provenance, SequenceCamera, SequenceRecord
from drpose_ray.datasets.shards.write import write_shard


def write_six_views(
    folder: Path, frames: Sequence[int] = (2, 2), side: int = 48, slots: int = 6, azimuth_deg: float = 0.0
) -> Path:
    """One shard per entry of ``frames``, with one person in so many frames, and one frame more that failed."""
    identity = DatasetIdentity(
        generators=(GeneratorIdentity(name="noise", settings_sha256="0", body_sha256="0", share=1),),
        sequences_per_shard=1,
        segments=(Segment(sequences=len(frames), frames=sum(frames) + len(frames), selection_sha256="0"),),
    )
    folder.mkdir(parents=True, exist_ok=True)
    open_dataset(folder, identity)
    for shard, num_ok in enumerate(frames):
        rng = np.random.default_rng(shard)
        names = [f"{domain}{slot}" for domain in ("color", "normal") for slot in range(slots)]
        drawn = num_ok + 1
        record = SequenceRecord(
            key=f"scan{shard}",
            images={name: rng.integers(0, 256, (drawn, side, side, 3), np.uint8) for name in names},
            motion=np.zeros((drawn, 322), np.float32),
            joints_world=rng.normal(size=(drawn, 23, 3)).astype(np.float32),
            camera=SequenceCamera(
                center_world=((0.1, 0.9, -0.2),) * drawn, width_m=(2.0,) * drawn, azimuth_deg=azimuth_deg
            ),
            provenance=Provenance(
                source="test", clip="test", frames=tuple(range(drawn)), rank=shard, fps=30, generator="noise",
                generator_settings_sha256="0", body_sha256="0", person_seed=shard,
            ),
            licence=Licence(motion="CC0-1.0", body="CC0-1.0", image="CC0-1.0"),
            status=(*[FrameStatus()] * num_ok, FrameStatus(state="failed", reason="a test")),
        )  # fmt: skip
        write_shard(folder, shard, [record])
    complete_dataset(folder, identity)
    return folder
