"""Pictures of the report: skeleton overlays, learning curves and paired scatter plots, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.nn import functional as F

from drpose_ray.core.drawing import figures
from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, MODEL_TITLES, NO_KL
from drpose_ray.evaluation.evaluate_model import METRIC, PoseTable

MODEL_COLORS: Final = {BASE: "#56606b", DRPOSE: figures.COLORS[0], NO_KL: figures.COLORS[1]}
_TARGET_RGB: Final = (0.0, 0.45, 0.70)
_PREDICTED_RGB: Final = (0.90, 0.38, 0.0)


def draw_before_after(
    examples: Sequence[tuple[torch.Tensor, Mapping[str, torch.Tensor]]], view_names: Sequence[str]
) -> bytes:
    """One picture of several people: the input at the left, then a titled row of views per model.

    Args:
        examples: per person the input image (3, s, s), and title -> views (V, 3, s, s); all in [0, 1].
        view_names: V titles of the columns.
    """
    height = sum(len(rows) for _, rows in examples)
    columns = len(view_names) + 1
    figure = Figure(figsize=(1.15 * columns + 1.1, 1.15 * height + 0.3), layout="constrained")
    grid = figure.add_gridspec(height, columns, wspace=0.02, hspace=0.02)
    top = 0
    for input_image, rows in examples:
        axis = figure.add_subplot(grid[top : top + len(rows), 0])
        _show(axis, input_image, "given")
        for title, views in rows.items():
            for column, view in enumerate(views):
                axis = figure.add_subplot(grid[top, column + 1])
                _show(axis, view, view_names[column] if top == 0 else "")
                if column == 0:
                    axis.set_ylabel(title, fontsize=8)
            top += 1
    return figures.save(figure, dpi=100)


def _show(axis: Axes, image: torch.Tensor, title: str) -> None:
    axis.imshow(image.clamp(0, 1).permute(1, 2, 0).cpu().numpy())
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=8)


def overlay_skeletons(views: torch.Tensor, target_maps: torch.Tensor, predicted_maps: torch.Tensor) -> torch.Tensor:
    """Target skeletons in blue and read ones in orange over faded grey views; dark where they agree.

    Args:
        views: (V, 3, s, s) in [0, 1].
        target_maps, predicted_maps: (V, 23, k, k) in [0, 1]; all joints are merged by their maximum.

    Returns:
        (V, 3, s, s) in [0, 1].
    """
    canvas = 1 - 0.35 * (1 - views.mean(1, keepdim=True).clamp(0, 1).expand_as(views))
    for maps, rgb in ((target_maps, _TARGET_RGB), (predicted_maps, _PREDICTED_RGB)):
        level = F.interpolate(maps.amax(1, keepdim=True).float(), views.shape[-2:], mode="bilinear").clamp(0, 1)
        ink = torch.tensor(rgb).view(1, 3, 1, 1)
        canvas = canvas * (1 - level * (1 - ink))
    return canvas


def plot_learning_curves(curves: Mapping[str, Sequence[Mapping[str, Any]]], keys: Mapping[str, str]) -> bytes:
    """One panel per metric of ``keys`` (name in metrics.jsonl -> title), one line per run of ``curves``.

    Raw values are pale, a running mean over a tenth of the run is drawn on top.
    """
    figure, axes = figures.panels(len(keys), width=3.4, height=2.6)
    for axis, (key, title) in zip(axes, keys.items(), strict=True):
        for name, rows in curves.items():
            points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
            if not points:
                continue
            steps, values = np.asarray(points, float).T
            color = MODEL_COLORS[name]
            axis.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
            axis.plot(steps, _running_mean(values), color=color, linewidth=1.8, label=MODEL_TITLES[name])
        figures.title(axis, title, across="iteration")
    figures.legend(axes)
    return figures.save(figure)


def plot_paired(tables: Mapping[str, PoseTable], keys: Sequence[str]) -> bytes:
    """One panel per metric: every pose as a dot, the base's value across and the post-trained models' up.

    Dots on the diagonal did not change; the title says on which side better values lie.
    """
    figure, axes = figures.panels(len(keys), width=3.4, height=3.0)
    for axis, key in zip(axes, keys, strict=True):
        before = tables[BASE].values[key]
        for name in (DRPOSE, NO_KL):
            axis.scatter(before, tables[name].values[key], s=9, alpha=0.65, linewidths=0,
                         color=MODEL_COLORS[name], label=MODEL_TITLES[name])  # fmt: skip
        low = min(axis.get_xlim()[0], axis.get_ylim()[0])
        high = max(axis.get_xlim()[1], axis.get_ylim()[1])
        axis.plot([low, high], [low, high], color="#999999", linewidth=0.8, zorder=0)
        axis.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        metric = METRIC[key]
        side = "above" if metric.higher_is_better else "below"
        unit = f" ({metric.unit})" if metric.unit else ""
        figures.title(axis, f"{metric.title}{unit}: better {side} the line", across="base")
    figures.legend(axes)
    return figures.save(figure)


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over a centred window of a tenth of the run, narrower at the ends."""
    half = max(len(values) // 20, 1)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    begin, end = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return np.asarray((sums[end] - sums[begin]) / (end - begin))
