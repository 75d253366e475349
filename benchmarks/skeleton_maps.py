"""Skeleton maps of 24 images, 23 channels, on one core: drawn inside each limb's box against the plain formula.

    python benchmarks/skeleton_maps.py --output docs/benchmarks/skeleton_maps.md     # two minutes; 4 GB of memory

24 images are 4 people in six views. CPU seconds of one thread, the best of several runs; the plain formula at 768 px is
drawn a person at a time, as 24 images at once would need tens of gigabytes.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import numpy as np
import torch
from measure import seconds
from page import hand_in

from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.sources import draw_pose
from drpose_ray.reward.skeleton_maps import render_skeleton_maps, render_skeleton_maps_windowed, truncation_bound

PEOPLE, REACH = 4, 4.0
GOALS_MS = {96: 60.0, 768: 800.0}
CPU = torch.device("cpu")


def people() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Dancing people (B, 23, 3) in metres, and frames around them with the rig's margin for flesh."""
    rows = np.stack([draw_pose({"dance": 1.0}, 7, 8 * n) for n in range(PEOPLE)])
    joints = torch.from_numpy(np.asarray(joints_from_rows(rows)[:, :22], np.float32))
    joints = torch.cat([joints, joints[:, 15:16] + torch.tensor([0.0, -0.02, 0.06])], 1)  # a jaw in front of the head
    low, high = joints.amin(1), joints.amax(1)
    return joints, (low + high) / 2, 1.15 * (high - low).norm(dim=-1)


def best_ms(work: Callable[[], object], runs: int) -> float:
    work()
    return 1000 * min(seconds(work, CPU) for _ in range(runs))


def table() -> str:
    torch.set_num_threads(1)
    joints, center, width = people()
    azimuths = torch.tensor(VIEW_AZIMUTHS_DEG)
    lines = [
        "| side, px | plain formula, ms | in boxes, ms | goal, ms | times faster | largest difference (bound) |",
        "|---|---|---|---|---|---|",
    ]
    for size, goal in GOALS_MS.items():
        groups = torch.arange(PEOPLE).split(PEOPLE if size < 200 else 1)

        def plain(size: int = size, groups: tuple[torch.Tensor, ...] = groups) -> None:
            for some in groups:
                render_skeleton_maps(joints[some], center[some], width[some], azimuths, size)

        def in_boxes(size: int = size) -> None:
            render_skeleton_maps_windowed(joints, center, width, azimuths, size, REACH)

        with torch.no_grad():
            plain_ms = best_ms(plain, 5 if size < 200 else 1)
            boxes_ms = best_ms(in_boxes, 20 if size < 200 else 5)
            one = (joints[:1], center[:1], width[:1], azimuths, size)
            difference = float((render_skeleton_maps(*one) - render_skeleton_maps_windowed(*one, REACH)).abs().max())
        lines.append(
            f"| {size} | {plain_ms:.0f} | **{boxes_ms:.0f}** | {goal:.0f} | {plain_ms / boxes_ms:.1f} "
            f"| {difference:.1e} ({truncation_bound(REACH):.1e}) |"
        )
    lines += ["", f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()} CPU, 1 thread"]
    return "\n".join(lines)


if __name__ == "__main__":
    hand_in(__doc__, table, "measured")
