"""What the judgement looks like: a plain table, ``summary.json`` and one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from drpose_ray.evaluate import figures
from drpose_ray.evaluate.claims import BASE, DRPOSE, MODEL_TITLES, NO_KL, Verdict, change_between, format_interval
from drpose_ray.evaluate.judge import COLOUR, METRICS, NORMAL, Metric, PoseTable
from drpose_ray.evaluate.statistics import CONFIDENCE, NUM_RESAMPLES, Interval, PairedChange, estimate_mean
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.publish import replace_when_complete
from drpose_ray.runs import Summary

PAIRED_KEYS: Final = ("pose_score", "mpjpe_cm", "iou", "psnr_normal_db")
NUM_EXAMPLES: Final = 6

_METRICS: Final = {metric.key: metric for metric in METRICS}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MetricRow(_Part):
    """One metric of one model on one pose set; ``change`` is paired against the base and absent for the base."""

    pose_set: str
    model: str
    metric: str
    unit: str
    higher_is_better: bool
    num_poses: int
    value: Interval
    change: PairedChange | None


class JudgementSummary(Summary):
    """``summary.json`` of the evaluation."""

    twins: tuple[str, ...]
    seed: int
    confidence: float
    num_resamples: int
    rows: tuple[MetricRow, ...]
    verdicts: tuple[Verdict, ...]
    all_claims_hold: bool
    fixed_mask_iou: dict[str, float]
    """Pose set -> silhouette IoU of one mask per view for everybody: what knowing nothing of the pose scores."""


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


@dataclass(frozen=True)
class Picture:
    """A ready PNG with the sentence that explains it."""

    png: bytes
    caption: str


PoseTables = Mapping[str, Mapping[str, PoseTable]]
"""pose set -> model -> table"""


def summarise(
    tables: PoseTables,
    verdicts: Sequence[Verdict],
    twins: Sequence[str],
    seed: int,
    fixed_mask_iou: Mapping[str, float] | None = None,
) -> JudgementSummary:
    """All numbers of the judgement with their intervals. ``twins`` say which parts are free stand-ins."""
    rows = [
        _metric_row(metric, table, by_model[BASE], seed)
        for by_model in tables.values()
        for table in _in_order(by_model)
        for metric in METRICS
    ]
    return JudgementSummary(
        twins=tuple(twins),
        seed=seed,
        confidence=CONFIDENCE,
        num_resamples=NUM_RESAMPLES,
        rows=tuple(rows),
        verdicts=tuple(verdicts),
        all_claims_hold=all(verdict.holds for verdict in verdicts),
        fixed_mask_iou=dict(fixed_mask_iou or {}),
    )


def pick_examples(base: PoseTable, drpose: PoseTable) -> list[int]:
    """Pose indices to show: evenly spaced ranks of the change in pose error, from most improved to least."""
    change = drpose.values["mpjpe_cm"] - base.values["mpjpe_cm"]
    order = change.argsort(kind="stable")
    count = min(NUM_EXAMPLES, len(order))
    return [int(order[round(i * (len(order) - 1) / max(count - 1, 1))]) for i in range(count)]


def format_table(summary: JudgementSummary) -> str:
    """The judgement as aligned plain text: one block per pose set, then the verdicts with their checks."""
    lines = [f"results from free twins: {'; '.join(summary.twins)}"] if summary.twins else []
    for pose_set, by_model in _rows_by_set(summary).items():
        num_poses = by_model[BASE]["pose_score"].num_poses
        lines += ["", f"{pose_set} poses ({num_poses}); change against the base, paired, [95 % interval]"]
        grid = [[""]]
        for model in by_model:
            grid[0] += [MODEL_TITLES[model]] + (["change", "better"] if _is_compared(model) else [])
        for metric in METRICS:
            row = [f"{metric.title} ({metric.unit})" if metric.unit else metric.title]
            for model, values in by_model.items():
                row.append(f"{values[metric.key].value.mean:.{metric.decimals}f}")
                change = values[metric.key].change
                if change is not None and _is_compared(model):
                    sign = "+" if change.improves else "-" if change.worsens else " "
                    row += [f"{format_interval(change.change, metric)} {sign}", f"{change.share_improved:.0%}"]
            grid.append(row)
        lines += _align(grid)
        if pose_set in summary.fixed_mask_iou:
            floor = summary.fixed_mask_iou[pose_set]
            lines.append(f"one fixed mask per view for everybody would score a silhouette IoU of {floor:.3f}")
    lines += ["", "change ends in +: better, interval excludes zero; -: worse, interval excludes zero", ""]
    for verdict in summary.verdicts:
        lines.append(f"{'HOLDS' if verdict.holds else 'FAILS'}  {verdict.claim}")
        lines += [f"       {'ok ' if check.holds else 'NOT'} {check.sentence}" for check in verdict.checks]
    return "\n".join(lines)


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
    template = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("report.html.jinja")
    pose_set, paired = next(iter(tables.items()))
    page = template.render(
        title=title,
        summary=summary,
        sets=_table_cells(summary),
        examples=[_example_cells(example, tables[pose_set]) for example in examples],
        views=[name.replace("_", " ") for name in VIEW_NAMES],
        paired=_data_uri(figures.plot_paired(paired, PAIRED_KEYS)),
        paired_set=pose_set,
        curves=_data_uri(figures.plot_learning_curves(curves, curve_keys)) if curves else None,
        pictures=[(_data_uri(picture.png), picture.caption) for picture in pictures],
        settings=settings_yaml,
    )
    with replace_when_complete(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_per_pose(path: Path, tables: PoseTables) -> None:
    """Publish every value of every table as CSV: pose set, model, sample, window and one column per metric."""
    with replace_when_complete(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["pose_set", "model", "sample", "window", *_METRICS])
        for by_model in tables.values():
            for table in _in_order(by_model):
                columns = [table.values[key].tolist() for key in _METRICS]
                for sample, window, *values in zip(table.sample_ids, table.groups, *columns, strict=True):
                    writer.writerow([table.pose_set, table.model, sample, window, *values])


def _metric_row(metric: Metric, table: PoseTable, base: PoseTable, seed: int) -> MetricRow:
    return MetricRow(
        pose_set=table.pose_set,
        model=table.model,
        metric=metric.key,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        num_poses=len(table.sample_ids),
        value=estimate_mean(table.values[metric.key], table.groups, seed),
        change=None if table is base else change_between(metric.key, base, table, seed),
    )


def _in_order(by_model: Mapping[str, PoseTable]) -> list[PoseTable]:
    return [by_model[model] for model in MODEL_TITLES if model in by_model]


def _is_compared(model: str) -> bool:
    return model in (DRPOSE, NO_KL)


def _rows_by_set(summary: JudgementSummary) -> dict[str, dict[str, dict[str, MetricRow]]]:
    """Pose set -> model -> metric key -> row, in the order of the summary."""
    sets: dict[str, dict[str, dict[str, MetricRow]]] = {}
    for row in summary.rows:
        sets.setdefault(row.pose_set, {}).setdefault(row.model, {})[row.metric] = row
    return sets


def _align(grid: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in grid) for i in range(len(grid[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in grid
    ]


def _table_cells(summary: JudgementSummary) -> list[dict[str, Any]]:
    """The headline tables as the template wants them."""
    blocks = []
    for pose_set, by_model in _rows_by_set(summary).items():
        rows = [
            {"metric": metric, "cells": [_cell(values[metric.key], metric) for values in by_model.values()]}
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


def _cell(row: MetricRow, metric: Metric) -> dict[str, str]:
    change = row.change if _is_compared(row.model) else None
    return {
        "mean": f"{row.value.mean:.{metric.decimals}f}",
        "change": format_interval(change.change, metric) if change else "",
        "share": f"{change.share_improved:.0%}" if change else "",
        "verdict": "" if change is None else "good" if change.improves else "bad" if change.worsens else "flat",
    }


def _example_cells(example: Example, tables: Mapping[str, PoseTable]) -> dict[str, Any]:
    index = tables[BASE].sample_ids.index(example.sample_id)
    rows = [{"title": "ground truth", "numbers": [], "images": _strips(example.truth)}]
    overlays = []
    for model, images in example.outputs.items():
        numbers = [
            f"{_METRICS[key].title} {tables[model].values[key][index]:.{_METRICS[key].decimals}f} {_METRICS[key].unit}"
            for key in ("pose_score", "mpjpe_cm", "iou")
        ]
        title = MODEL_TITLES[model]
        rows.append({"title": title, "numbers": numbers, "images": _strips(images)})
        overlaid = figures.overlay_skeletons(images[COLOUR], example.target_maps, example.predicted_maps[model])
        overlays.append({"title": title, "image": _data_uri(figures.draw_strip(overlaid))})
    return {
        "id": example.sample_id,
        "input": _data_uri(figures.draw_strip(example.input_image[None])),
        "rows": rows,
        "overlays": overlays,
    }


def _strips(images: torch.Tensor) -> list[str]:
    return [_data_uri(figures.draw_strip(images[domain])) for domain in (NORMAL, COLOUR)]


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
