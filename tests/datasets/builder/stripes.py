"""A RecordMaker that needs no body: coloured stripes that depend on the pose, the window and the settings alone."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from drpose_ray.core.seeding import derive_seed, stream
from drpose_ray.datasets.builder.maker import licence_of, provenance_of
from drpose_ray.datasets.record import FrameStatus, SequenceCamera, SequenceRecord
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.poses.windows import PoseWindow

SIZE = 16


class Stripes:
    name, body_sha256, body_licence, image_licence = "stripes", "0" * 64, "none", "CC0-1.0"

    def __init__(self, seed: int = 0, dawdle_s: float = 0.0) -> None:
        self.seed, self.dawdle_s = seed, dawdle_s
        self.generated: list[str] = []

    def settings(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def person_seed(self, window: PoseWindow) -> int:
        return derive_seed(self.seed, window.sequence_id)

    def make(self, window: PoseWindow) -> SequenceRecord:
        time.sleep(self.dawdle_s)
        self.generated.append(window.sequence_id)
        if window.clip == "refused":
            raise RuntimeError("this clip cannot be drawn")
        frames = len(window.frames)
        person = stream(self.person_seed(window), "person").integers(0, 256, (1, SIZE, SIZE, 4), dtype=np.uint8)
        pose = (window.motion[:, :SIZE] * 40).astype(np.int64)[:, None, :, None]
        failed = FrameStatus(state="failed", reason="the body left the picture")
        joints = window.motion[:, :69].reshape(frames, 23, 3).copy()
        half_drawn = window.clip == "half-drawn"
        return SequenceRecord(
            key=window.sequence_id,
            images={"input": ((person + pose) % 256).astype(np.uint8)},
            motion=window.motion,
            joints_world=joints,
            camera=SequenceCamera(
                center_world=tuple((0.1 * frame, 1.0, 0.0) for frame in range(frames)),
                width_m=(2.0,) * frames,
                azimuth_deg=0.0,
            ),
            provenance=provenance_of(self, window),
            licence=licence_of(self, window),
            status=tuple(failed if half_drawn and i % 2 else FrameStatus() for i in range(frames)),
        )


def make_windows(count: int, frames: int = 3, clips: dict[int, str] | None = None) -> list[PoseWindow]:
    """Windows with random motion; ``clips`` names the clip of some of them."""
    return [
        PoseWindow(
            sequence_id=f"walk_{i:03d}",
            clip=(clips or {}).get(i, "walk"),
            frames=np.arange(i, i + frames),
            motion=stream(7, "motion", i).standard_normal((frames, 322)).astype(np.float32),
            pick=i + 1,
            rank=i,
            fps=30.0,
            source="tests",
            licence="CC0-1.0",
        )
        for i in range(count)
    ]


def silent(row: ShardRow, left: int) -> None:
    """A Progress that tells nobody."""
