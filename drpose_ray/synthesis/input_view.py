"""From where a window is seen: the same for every generator."""

from __future__ import annotations

import numpy as np

from drpose_ray.core.seeding import stream
from drpose_ray.poses.sources import heading
from drpose_ray.poses.windows import PoseWindow


def turn_to_input_view(window: PoseWindow, azimuth_deg: float | None, heading_spread_deg: float, seed: int) -> float:
    """Angle in radians about the vertical axis that brings the input camera to the front.

    The camera sees the picked frame from ``azimuth_deg`` of its heading, give or take ``heading_spread_deg``, which
    ``seed`` and the window's rank decide; with None it stays in front of the motion's own axes. It does not move
    within a window.
    """
    if azimuth_deg is None:
        return 0.0
    picked = window.motion[int(np.flatnonzero(window.frames == window.pick)[0])]
    spread = stream(seed, "heading", window.rank).uniform(-1, 1) * heading_spread_deg
    return float(np.deg2rad(spread - azimuth_deg) - heading(picked))
