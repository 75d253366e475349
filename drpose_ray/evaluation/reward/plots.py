"""Pictures of the report, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

import numpy as np
import torch

from drpose_ray.core.drawing import figures
from drpose_ray.core.drawing.pictures import as_png, grid, to_pixels
from drpose_ray.evaluation.reward.measure import Findings
from drpose_ray.evaluation.reward.summary import RewardReportSummary
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.geometry.skeleton import JOINT_NAMES
from drpose_ray.reward.skeleton_maps import compose_preview

_TICKS: Final = (-10, -1, -0.1, 0, 0.1, 1, 10)
_LINEAR_TO: Final = 0.02  # differences of PoseScore so small are drawn to scale about zero
_EDGES_CM: Final = (0.0, 0.5, 1, 2, 3, 5, 8, 12, 18, 27, 40)


def plot_calibration(findings: Mapping[str, Findings]) -> bytes:
    """Minus PoseScore over the pose's distance: every pose of every person, and medians in bins of distance."""
    figure, axes = figures.panels(len(findings), width=4.6, height=3.6)
    for axis, (name, found) in zip(axes, findings.items(), strict=True):
        for color, (split, scored) in zip(cycle(figures.COLORS), found.scored.items(), strict=False):
            distance, badness = scored.distance_cm.flatten().numpy(), -scored.score.flatten().numpy()
            axis.scatter(distance, badness, s=4, alpha=0.25, color=color, linewidths=0)
            bins = np.digitize(distance, _EDGES_CM)
            middles = [(np.median(distance[bins == b]), np.median(badness[bins == b])) for b in np.unique(bins)]
            axis.plot(*zip(*middles, strict=True), "o-", color=color, markersize=3, linewidth=1.4, label=split)
        axis.set_yscale("log")
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(left=-0.1)
        ranks = found.report.pooled
        title = (
            f"{name}: rank correlation {ranks.pooled.value:.2f} pooled, {ranks.per_person.value:.2f} within a person"
        )
        up = "minus PoseScore" if axis is axes[0] else ""
        figures.title(axis, title, "mean joint distance of the pose, cm", up)
    figures.legend(axes)
    return figures.save(figure)


def plot_joint_errors(findings: Mapping[str, Findings]) -> bytes:
    """Heat map of joint by view, mean over the people of all splits, in cm."""
    figure, axes = figures.panels(len(findings), width=3.9, height=5.2)
    by_joint = [torch.cat(list(found.soft_errors_cm.values())).mean(0).T.numpy() for found in findings.values()]
    most = max(float(errors.max()) for errors in by_joint)
    for axis, name, errors in zip(axes, findings, by_joint, strict=True):
        axis.imshow(errors, cmap="magma_r", vmin=0, vmax=most, aspect="auto")
        for (row, column), value in np.ndenumerate(errors):
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=6, color=_ink(value / most))
        axis.set_yticks(range(len(JOINT_NAMES)), [joint.replace("_", " ") for joint in JOINT_NAMES], fontsize=7)
        axis.set_xticks(range(len(VIEW_NAMES)), [view.replace("_", "\n") for view in VIEW_NAMES], fontsize=7)
        figures.title(axis, f"{name}: in-plane error, cm")
        axis.grid(visible=False)
    return figures.save(figure)


def plot_sensitivity(summary: RewardReportSummary) -> bytes:
    """PoseScore right minus wrong, over all six views, with intervals; a panel per split. Below zero the wrong wins."""
    first = summary.predictors[0]
    apart = min(0.22, 0.8 / len(summary.predictors))
    figure, axes = figures.panels(len(first.splits), width=3.6, height=2.6)
    for number, axis in enumerate(axes):
        for place, (predictor, color) in enumerate(zip(summary.predictors, cycle(figures.COLORS), strict=False)):
            rows = [row for row in predictor.splits[number].sensitivity if row.views == "all six"]
            y = np.arange(len(rows)) + apart * place
            value = np.array([row.difference.value for row in rows])
            ends = np.array([[row.difference.low, row.difference.high] for row in rows]).T
            axis.errorbar(value, y, xerr=np.abs(ends - value), fmt="o", color=color, markersize=4, label=predictor.name)
            for at, row, height in zip(ends[1], rows, y, strict=True):
                axis.annotate(
                    f"{row.share_right:.0%}", (at, height), xytext=(4, 0), textcoords="offset points", fontsize=7,
                    va="center", color=color,
                )  # fmt: skip
            axis.set_yticks(np.arange(len(rows)), [row.wrong for row in rows] if number == 0 else [], fontsize=8)
        # Differences span decades, and a reward that prefers the wrong pose has to show as well.
        axis.set_xscale("symlog", linthresh=_LINEAR_TO, linscale=0.5)
        axis.invert_yaxis()
        axis.margins(x=0.25)
        left = axis.get_xlim()[0]
        if left < 0:
            axis.axvspan(left, 0, color="#f6dfd3", zorder=0)
            axis.set_xlim(left=left)
        limits = axis.get_xlim()
        axis.set_xticks([tick for tick in _TICKS if limits[0] <= tick <= limits[1]])
        axis.set_xticks([], minor=True)
        axis.xaxis.set_major_formatter("{x:g}")
        figures.title(axis, first.splits[number].split, across="PoseScore, right minus wrong")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right center")
    return figures.save(figure)


def plot_disturbed(summary: RewardReportSummary) -> bytes:
    """PoseScore at the true pose (full) and at another's (dashed) over each disturbance, mean over splits."""
    kinds = ("blurred", "shifted", "noisy")
    units = ("times a 3 x 3 mean", "latent pixels", "standard deviations")
    figure, axes = figures.panels(len(kinds), width=3.4, height=2.8)
    for axis, kind, unit in zip(axes, kinds, units, strict=True):
        for predictor, color in zip(summary.predictors, cycle(figures.COLORS), strict=False):
            rows = [[r for r in split.disturbed if r.kind in ("none", kind)] for split in predictor.splits]
            amounts = [row.amount for row in rows[0]]
            right, wrong = (
                np.mean([[getattr(row, side).value for row in split] for split in rows], 0)
                for side in ("right", "wrong")
            )
            axis.plot(amounts, right, "o-", color=color, markersize=3, label=predictor.name)
            axis.plot(amounts, wrong, "o--", color=color, markersize=3, linewidth=1)
        figures.title(axis, kind, across=unit, up="PoseScore" if axis is axes[0] else "")
    axes[0].plot([], [], "k-", label="at the true pose")
    axes[0].plot([], [], "k--", linewidth=1, label="at another's")
    axes[0].legend(fontsize=7, frameon=False)
    return figures.save(figure)


def plot_hacking(summary: RewardReportSummary) -> bytes:
    """Share of the gap that ascent gained, and what others saw of it, over the budget; a panel per predictor.

    One more for the ensemble of all.
    """
    rewards = summary.attacked[: len(summary.predictors) + 1]
    colors = dict(zip(summary.judges, cycle(figures.COLORS), strict=False))
    figure, axes = figures.panels(len(rewards), width=4.6, height=3.2)
    for axis, (name, hacked) in zip(axes, rewards, strict=True):
        rows = [row for row in hacked if row.norm == "rms"]
        budgets = [row.budget for row in rows]
        axis.plot(budgets, [row.gained.value for row in rows], "o-", color="#1d2329", label="the reward itself")
        axis.plot(budgets, [row.gained_at_random.value for row in rows], ":", color="#888888", label="a random move")
        for judge in rows[0].followed:
            axis.plot(
                budgets,
                [row.followed[judge].value for row in rows],
                "o-",
                color=colors[judge],
                markersize=3,
                label=judge,
            )
        for row in rows:
            axis.annotate(
                f"{row.image_psnr_db.value:.0f} dB", (row.budget, row.gained.value), fontsize=7, xytext=(0, 5),
                textcoords="offset points", ha="center",
            )  # fmt: skip
        up = "share of the gap to the true latents" if axis is axes[0] else ""
        figures.title(axis, name, "budget, rms in standard deviations of the latents", up)
        axis.set_ylim(top=axis.get_ylim()[1] * 1.1)
        axis.legend(fontsize=7, frameon=False, loc="upper left")
    return figures.save(figure)


def draw_rows(rows: Sequence[torch.Tensor]) -> bytes:
    """Rows of views (V, 3, s, s) in [0, 1], stretched to one size."""
    size = max(row.shape[-1] for row in rows)
    fitted = [torch.nn.functional.interpolate(row.float(), (size, size)) for row in rows]
    return as_png(grid([to_pixels(row) for row in fitted]), num_colors=128)


def skeletons_on_grey(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Maps (V, 23, k, k) in colours over faded views (V, 3, s, s) in [0, 1], as in Fig. 10."""
    shown = torch.nn.functional.interpolate(compose_preview(maps), images.shape[-2:], mode="bilinear").clamp(0, 1)
    pale = 0.35 * images.mean(1, keepdim=True)
    return 1 - (1 - shown) * (1 - pale)


def _ink(share: float) -> str:
    return "white" if share > 0.5 else "black"
