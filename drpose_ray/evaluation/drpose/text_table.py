"""The judgement as plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, MODEL_TITLES, NO_KL
from drpose_ray.evaluation.drpose.confirmation import WITNESSES, Judgement, judge_change
from drpose_ray.evaluation.drpose.summary import JudgementSummary, changes_of, rows_by_set
from drpose_ray.evaluation.evaluate_model import METRICS

COMPARED = (DRPOSE, NO_KL)
"""Models whose changes against the base are told."""

_SIGNS = {Judgement.BETTER: "+", Judgement.UNCONFIRMED: "?", Judgement.WORSE: "-", Judgement.UNCHANGED: " "}


def format_table(summary: JudgementSummary) -> str:
    """The judgement as aligned plain text: one block per pose set, then the verdicts with their checks."""
    lines = [f"results from free stand-ins: {'; '.join(summary.twins)}"] if summary.twins else []
    for pose_set, by_model in rows_by_set(summary).items():
        changes = {model: changes_of(summary, pose_set, model) for model in by_model}
        num_poses = by_model[BASE]["pose_score"].num_poses
        lines += ["", f"{pose_set} poses ({num_poses}); change against the base, paired, [95 % interval]"]
        grid = [[""]]
        for model in by_model:
            grid[0] += [MODEL_TITLES[model]] + (["change", "better"] if model in COMPARED else [])
        for metric in METRICS:
            row = [f"{metric.title} ({metric.unit})" if metric.unit else metric.title]
            for model, values in by_model.items():
                row.append(f"{values[metric.key].mean.value:.{metric.decimals}f}")
                change = values[metric.key].change
                if change is not None and model in COMPARED:
                    sign = _SIGNS[judge_change(metric.key, changes[model])]
                    row += [f"{change.change.show(metric.decimals, '+')} {sign}", f"{change.share_improved:.0%}"]
            grid.append(row)
        lines += _align(grid)
        if pose_set in summary.fixed_mask_iou:
            floor = summary.fixed_mask_iou[pose_set]
            lines.append(f"one fixed mask per view for everybody would score a silhouette IoU of {floor:.3f}")
    witnesses = ", ".join(metric.title for metric in METRICS if metric.key in WITNESSES)
    signs = (
        "change ends in +: better, interval excludes zero; -: worse, interval excludes zero; ?: as +, but not "
        f"confirmed, as one of these got worse: {witnesses} (PoseScore also needs the pose error to get better)"
    )
    found = "What this run found (a claim that is not shown may need more poses or a longer run; nothing has failed):"
    lines += ["", signs, "", found]
    for verdict in summary.verdicts:
        lines.append(f"{verdict.finding.capitalize()}: {verdict.claim}")
        lines += [f"    {'yes' if check.holds else 'no '} {check.sentence}" for check in verdict.checks]
    return "\n".join(lines)


def _align(grid: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in grid) for i in range(len(grid[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in grid
    ]
