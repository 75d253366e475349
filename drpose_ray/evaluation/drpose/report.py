"""The judgement as one HTML file that needs nothing beside it: headline, pictures, findings, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from drpose_ray.core.drawing.pictures import as_png, to_pixels
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.evaluation.drpose import plots
from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, MODEL_TITLES
from drpose_ray.evaluation.drpose.confirmation import WITNESSES, Judgement, against, judge_change
from drpose_ray.evaluation.drpose.headline import write_headline
from drpose_ray.evaluation.drpose.summary import JudgementSummary, MetricRow, PoseTables, changes_of, rows_by_set
from drpose_ray.evaluation.drpose.text_table import COMPARED
from drpose_ray.evaluation.evaluate_model import COLOR, METRIC, METRICS, NORMAL, Metric, PoseTable
from drpose_ray.evaluation.page import Picture, render
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.metrics.paired import PairedChange

PAIRED_KEYS: Final = ("pose_score", "mpjpe_cm", "iou", "psnr_normal_db")
NUM_EXAMPLES: Final = 6
TRUTH_TITLE: Final = "ground truth"

_PAIRED: Final = "Each dot is one pose: the base's value across, the post-trained model's up."
_CURVES: Final = (
    "Pale: every iteration; strong: running mean over a tenth of the run. Training batches, not the poses judged above."
)


@dataclass(frozen=True)
class Example:
    """One pose to look at. Images are (M, V, 3, s, s) and maps (V, 23, k, k), both in [0, 1]."""

    sample_id: str
    input_image: torch.Tensor
    """(3, s, s)"""
    truth: torch.Tensor
    outputs: Mapping[str, torch.Tensor]
    target_maps: torch.Tensor
    predicted_maps: Mapping[str, torch.Tensor]


def pick_examples(base: PoseTable, drpose: PoseTable) -> list[int]:
    """Pose indices to show: evenly spaced ranks of the change in pose error, from most improved to least."""
    change = drpose.values["mpjpe_cm"] - base.values["mpjpe_cm"]
    order = change.argsort(kind="stable")
    count = min(NUM_EXAMPLES, len(order))
    return [int(order[round(i * (len(order) - 1) / max(count - 1, 1))]) for i in range(count)]


def write_report(
    path: Path,
    summary: JudgementSummary,
    tables: PoseTables,
    *,
    title: str,
    examples: Sequence[Example],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    curve_keys: Mapping[str, str],
    pictures: Sequence[Picture] = (),
    settings_yaml: str,
) -> None:
    """Publish the HTML report; images are inside it and nothing is loaded from elsewhere.

    Args:
        path: of the HTML file.
        summary, tables: the judgement; its first pose set is the one plotted pose by pose.
        examples: poses to show, see ``pick_examples``.
        curves: model -> lines of its run's ``metrics.jsonl``.
        curve_keys: key in those lines -> title of its panel.
        pictures: further figures, e.g. pose diversity.
        settings_yaml: the resolved configuration.
    """
    pose_set, paired = next(iter(tables.items()))
    page = render(
        Path(__file__).with_name("report.html.jinja"),
        title=title,
        headline=write_headline(summary),
        summary=summary,
        sets=_table_cells(summary),
        witnesses=", ".join(METRIC[key].title for key in WITNESSES),
        examples=[_example_cells(example, tables[pose_set]) for example in examples],
        views=[name.replace("_", " ") for name in VIEW_NAMES],
        paired=Picture("paired.png", plots.plot_paired(paired, PAIRED_KEYS), _PAIRED),
        paired_set=pose_set,
        curves=Picture("curves.png", plots.plot_learning_curves(curves, curve_keys), _CURVES) if curves else None,
        pictures=pictures,
        settings=settings_yaml,
    )
    with replace_when_complete(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_before_after(path: Path, examples: Sequence[Example]) -> None:
    """Publish one PNG: input, then ground truth, base and DrPose of each example, six colour views across."""
    rows = []
    for example in examples:
        shown = {TRUTH_TITLE: example.truth} | {MODEL_TITLES[name]: example.outputs[name] for name in (BASE, DRPOSE)}
        rows.append((example.input_image, {title: images[COLOR] for title, images in shown.items()}))
    with replace_when_complete(path) as temporary:
        temporary.write_bytes(plots.draw_before_after(rows, [name.replace("_", " ") for name in VIEW_NAMES]))


def _table_cells(summary: JudgementSummary) -> list[dict[str, Any]]:
    """The tables as the template wants them."""
    blocks = []
    for pose_set, by_model in rows_by_set(summary).items():
        changes = {model: changes_of(summary, pose_set, model) for model in by_model if model in COMPARED}
        rows = [
            {
                "metric": metric,
                "cells": [_cell(values[metric.key], metric, changes.get(m)) for m, values in by_model.items()],
            }
            for metric in METRICS
        ]
        blocks.append(
            {
                "name": pose_set,
                "num_poses": by_model[BASE]["pose_score"].num_poses,
                "models": [MODEL_TITLES[model] for model in by_model],
                "rows": rows,
            }
        )
    return blocks


def _cell(row: MetricRow, metric: Metric, changes: Mapping[str, PairedChange] | None) -> dict[str, str]:
    """A mean, and of a compared model what its change shows; ``changes`` are all of that model's."""
    cell = {"mean": f"{row.mean.value:.{metric.decimals}f}", "change": "", "judgement": "", "words": ""}
    if changes is None:
        return cell
    own, judgement = changes[metric.key], judge_change(metric.key, changes)
    words = {Judgement.BETTER: "better", Judgement.WORSE: "worse", Judgement.UNCHANGED: "no change shown"}
    doubts = ", ".join(METRIC[key].title for key in against(metric.key, changes))
    return cell | {
        "change": f"{own.change.show(metric.decimals, '+')} · {own.share_improved:.0%} of poses",
        "judgement": judgement.value,
        "words": words.get(judgement, f"higher-scored, not confirmed by {doubts}"),
    }


def _example_cells(example: Example, tables: Mapping[str, PoseTable]) -> dict[str, Any]:
    index = tables[BASE].sample_ids.index(example.sample_id)
    colors, normals = _pngs(example.truth[COLOR]), _pngs(example.truth[NORMAL])
    rows: list[dict[str, Any]] = [{"title": TRUTH_TITLE, "numbers": "", "colour": colors, "normals": normals}]
    for model, images in example.outputs.items():
        numbers = [
            f"{METRIC[key].title} {tables[model].values[key][index]:.{METRIC[key].decimals}f} {METRIC[key].unit}"
            for key in ("pose_score", "mpjpe_cm", "iou")
        ]
        overlaid = plots.overlay_skeletons(images[COLOR], example.target_maps, example.predicted_maps[model])
        rows.append({
            "title": MODEL_TITLES[model], "numbers": " · ".join(number.strip() for number in numbers),
            "colour": _pngs(images[COLOR]), "normals": _pngs(images[NORMAL]), "skeletons": _pngs(overlaid),
        })  # fmt: skip
    return {"id": example.sample_id, "input": as_png(to_pixels(example.input_image)), "rows": rows}


def _pngs(views: torch.Tensor) -> list[bytes]:
    return [as_png(view) for view in to_pixels(views)]
