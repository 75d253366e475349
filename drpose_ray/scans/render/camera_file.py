"""Matrices of every camera of a finished dataset of scans, for programs that want those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import RecordHeader
from drpose_ray.datasets.shards.open_shard import read_headers
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame
from drpose_ray.scans.render.cameras import View, opencv_camera
from drpose_ray.scans.render.config import RendersConfig
from drpose_ray.scans.render.scan_renders import input_view


def write_cameras(location: Path | str, config: RendersConfig, seed: int, path: Path) -> None:
    """Publish one line of JSON per record with a camera: ``{"key", "image_size", "frames": [{"input", "views"}]}``.

    Each camera is ``scans.render.cameras.opencv_camera``'s, in the record's axes, where every frame's front camera is
    at azimuth 0. ``views`` are those of ``color0..5``; PSHuman's face is the upper middle third of the first.
    """
    with replace_when_complete(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for row in read_manifest(location).shards:
            for header in read_headers(location, row):
                if header.camera is not None:
                    frames = list(_frames(header, config, seed))
                    line = {"key": header.key, "image_size": config.image_size, "frames": frames}
                    stream.write(json.dumps(line) + "\n")


def _frames(header: RecordHeader, config: RendersConfig, seed: int) -> Iterator[dict[str, Any]]:
    assert header.camera
    for number, (center, width) in enumerate(zip(header.camera.center_world, header.camera.width_m, strict=True)):
        frame = Frame(np.array(center), width)
        seen_from = input_view(config, seed, header.key, number)
        turned = View(0.0, seen_from.elevation_deg, seen_from.lens_mm)
        yield {
            "input": opencv_camera(turned, frame, config.image_size),
            "views": [opencv_camera(View(azimuth), frame, config.image_size) for azimuth in VIEW_AZIMUTHS_DEG],
        }
