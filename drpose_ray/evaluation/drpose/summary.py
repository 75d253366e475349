"""The numbers of a judgement: ``summary.json``, and every value of every pose as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.runs.run import Summary
from drpose_ray.evaluation.drpose.claims import BASE, MODEL_TITLES, Verdict, change_between
from drpose_ray.evaluation.evaluate_model import METRIC, METRICS, Metric, PoseTable
from drpose_ray.metrics.intervals import CONFIDENCE, Interval
from drpose_ray.metrics.paired import NUM_RESAMPLES, PairedChange, estimate_mean


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
    mean: Interval
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


def rows_by_set(summary: JudgementSummary) -> dict[str, dict[str, dict[str, MetricRow]]]:
    """Pose set -> model -> metric key -> row, in the order of the summary."""
    sets: dict[str, dict[str, dict[str, MetricRow]]] = {}
    for row in summary.rows:
        sets.setdefault(row.pose_set, {}).setdefault(row.model, {})[row.metric] = row
    return sets


def changes_of(summary: JudgementSummary, pose_set: str, model: str) -> dict[str, PairedChange]:
    """Metric key -> change of ``model`` against the base on ``pose_set``."""
    rows = rows_by_set(summary)[pose_set][model]
    return {key: row.change for key, row in rows.items() if row.change is not None}


def write_per_pose(path: Path, tables: PoseTables) -> None:
    """Publish every value of every table as CSV: pose set, model, sample, window and one column per metric."""
    with replace_when_complete(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["pose_set", "model", "sample", "window", *METRIC])
        for by_model in tables.values():
            for table in _in_order(by_model):
                columns = [table.values[key].tolist() for key in METRIC]
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
        mean=estimate_mean(table.values[metric.key], table.groups, seed),
        change=None if table is base else change_between(metric.key, base, table, seed),
    )


def _in_order(by_model: Mapping[str, PoseTable]) -> list[PoseTable]:
    return [by_model[model] for model in MODEL_TITLES if model in by_model]
