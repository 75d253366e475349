"""The paper's generator (Sec. 3.2): MIMO draws the person of a photo in the poses of a window."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.seeding import derive_seed
from drpose_ray.datasets.builder.maker import licence_of, provenance_of
from drpose_ray.datasets.record import FrameStatus, SequenceCamera, SequenceRecord
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.config import MimoConfig
from drpose_ray.synthesis.input_view import turn_to_input_view
from drpose_ray.synthesis.mimo.animator import Animator, PhotoReference
from drpose_ray.synthesis.mimo.camera import Pinhole, Viewpoint
from drpose_ray.synthesis.mimo.color_table import read_color_table
from drpose_ray.synthesis.mimo.layout import files_of, load_mimo
from drpose_ray.synthesis.mimo.photo import list_photos, read_photo
from drpose_ray.synthesis.mimo.pose_images import crop_of_clip, pose_input
from drpose_ray.synthesis.mimo.pose_render import render_pose

PHOTOS_KEPT = 4
"""What the networks know of a photo takes about 0.1 GB at 784 pixels in half precision."""


class MimoAnimation:
    """A ``RecordMaker`` of windows. The networks are loaded with the first window; planning needs none.

    A record's camera is the orthographic one that agrees with MIMO's distant pinhole at the pelvis; the joints are
    those of the body in the pose images, with the window's own betas. Pixels are the same for any batch, worker and
    order up to the rounding of the device.
    """

    name = "mimo"
    body_licence = "see the body model file; the exported Anny body is CC0-1.0"

    def __init__(self, config: MimoConfig, seed: int) -> None:
        """``seed`` and a window decide its photo, its view and its noise.

        Raises InputError for missing photos, a colour table of another body, or missing weights.
        """
        self.config, self.seed = config, seed
        self.body = Body(config.body or ensure_body(BODY_CACHE))
        self.colors = read_color_table(config.color_table, self.body.num_vertices)
        self.photos = list_photos(config.photos)
        self._content = {
            "weights_sha256": _sha256_of(files_of(config.weights)),
            "photos_sha256": _sha256_of(self.photos),
            "colour_table_sha256": file_sha256(config.color_table),
        }
        self._known = lru_cache(maxsize=PHOTOS_KEPT)(self._remember)

    @property
    def body_sha256(self) -> str:
        return self.body.sha256

    @property
    def image_licence(self) -> str:
        return f"drawn by MIMO from a photo: {self.config.photo_licence}"

    def settings(self) -> Mapping[str, Any]:
        where = {"weights", "photos", "color_table", "body", "gpus_per_worker"}
        return {**self.config.model_dump(mode="json", exclude=where), **self._content, "seed": self.seed}

    def person_seed(self, window: PoseWindow) -> int:
        """It picks the photo."""
        return derive_seed(self.seed, "photo", window.rank)

    @cached_property
    def animator(self) -> Animator:
        config = self.config
        model, origins = load_mimo(config.weights, getattr(torch, config.precision))
        for origin in origins:
            logging.getLogger(__name__).info("%s: %d tensors of %s", origin.file, origin.tensors, origin.group)
        return Animator(
            model.to(torch.device("cuda" if config.gpus_per_worker else "cpu")),
            image_size=config.image_size,
            num_sampling_steps=config.num_sampling_steps,
            guidance_scale=config.guidance_scale,
        )

    def make(self, window: PoseWindow) -> SequenceRecord:
        config, size = self.config, self.config.image_size
        vertices, joints = (np.stack(parts) for parts in zip(*map(self.body.pose, window.motion), strict=True))
        turn = turn_to_input_view(window, config.azimuth_deg, config.heading_spread_deg, self.seed)
        viewpoint = Viewpoint.of_clip(vertices, float(-np.rad2deg(turn) % 360))
        distant = Pinhole.distant(size)
        rendered = np.stack([
            render_pose(viewpoint.to_camera(each), self.body.faces, self.colors, distant, size) for each in vertices
        ])  # fmt: skip
        crop = crop_of_clip(rendered)
        images = self.animator.animate(
            self._known(self.photos[self.person_seed(window) % len(self.photos)]),
            [0],
            pose_input(rendered, crop, size)[None],
            [derive_seed(self.seed, "noise", window.sequence_id)],
        )
        frames = [viewpoint.frame_at(each[0], crop.camera(distant, size), size) for each in joints]
        return SequenceRecord(
            key=window.sequence_id,
            images={"input": images[0].numpy()},
            motion=np.array(window.motion, np.float32),
            joints_world=joints[:, :NUM_JOINTS].astype(np.float32),
            camera=SequenceCamera(
                center_world=tuple((float(x), float(y), float(z)) for x, y, z in (f.center_world for f in frames)),
                width_m=tuple(frame.width_m for frame in frames),
                azimuth_deg=viewpoint.azimuth_deg,
            ),
            provenance=provenance_of(self, window),
            licence=licence_of(self, window),
            status=(FrameStatus(),) * len(frames),
        )

    def _remember(self, photo: Path) -> PhotoReference:
        return self.animator.remember([read_photo(photo)])


def _sha256_of(files: Iterable[Path]) -> str:
    """One hash of several files' names and bytes."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return digest.hexdigest()
