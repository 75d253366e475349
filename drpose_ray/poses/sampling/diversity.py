"""Pose diversity (Fig. 4): the standard deviation of the 22 body joint positions.

The paper does not state an alignment. Here poses are pelvis-centred and yaw-aligned (``features``), and S is the mean
over joints and axes of the coordinates' standard deviation; it therefore counts leaning and inversion, not heading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drpose_ray.core.drawing import figures
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.geometry.skeleton import NUM_BODY_JOINTS, PARENTS
from drpose_ray.poses.sampling.features import yaw_aligned_joints

ALIGNMENT: Final = "pelvis-centred, yaw-aligned by the hip axis"
_NUM_DRAWN: Final = 300
_CHUNK: Final = 20_000


def joint_spread(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 322) -> (22,) metres: each joint's standard deviation, averaged over the three axes."""
    # Rotation matrices take many times the memory of the joints that are kept.
    chunks = [yaw_aligned_joints(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
    spread: NDArray[np.float64] = np.concatenate(chunks).std(0).mean(-1)
    return spread


def diversity_mm(rows: NDArray[np.floating]) -> float:
    """S of (N, 322) rows in millimetres; standing scans lie near 25-60, broad action near 95-215."""
    return float(1000 * joint_spread(rows).mean())


def plot_diversity(sets: Mapping[str, NDArray[np.floating]], path: Path) -> None:
    """Publish a picture of named pose sets (N, 322): skeletons from the front and the side, and S of each."""
    figure = Figure(figsize=(3 * max(len(sets), 3), 8), layout="constrained")
    grid = figure.add_gridspec(3, len(sets), height_ratios=(3, 3, 2))
    for column, (name, rows) in enumerate(sets.items()):
        joints = yaw_aligned_joints(rows[:: max(len(rows) // _NUM_DRAWN, 1)][:_NUM_DRAWN])
        for row, (axis, view) in enumerate(((0, "front"), (2, "side"))):
            axes = figure.add_subplot(grid[row, column])
            _draw_skeletons(axes, joints[..., [axis, 1]])
            axes.set_title(f"{name} ({len(rows)} poses), {view}", fontsize=9)
    bars = figure.add_subplot(grid[2, :])
    values = [diversity_mm(rows) for rows in sets.values()]
    bars.bar_label(bars.barh(list(sets), values, color="tab:blue"), fmt="%.0f mm")
    bars.invert_yaxis()
    bars.margins(x=0.1)
    bars.set_xlabel(f"S: mean standard deviation of 22 joint positions, {ALIGNMENT} (mm)")
    with replace_when_complete(path) as temporary:
        temporary.write_bytes(figures.save(figure, dpi=100))


def _draw_skeletons(axes: Axes, joints: NDArray[np.float64]) -> None:
    """``joints`` (N, 22, 2) metres, each bone see-through so that overlaps darken."""
    bones = np.array([[joint, PARENTS[joint]] for joint in range(1, NUM_BODY_JOINTS)])
    axes.add_collection(LineCollection(list(joints[:, bones].reshape(-1, 2, 2)), color="k", alpha=0.07, linewidth=1))
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", xticks=(), yticks=())
