"""The first lines of the report: what was tried, with which parts, and what came out, for whoever reads no table."""

from __future__ import annotations

from dataclasses import dataclass

from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, Verdict
from drpose_ray.evaluation.drpose.confirmation import against
from drpose_ray.evaluation.drpose.summary import JudgementSummary, MetricRow, changes_of
from drpose_ray.evaluation.evaluate_model import METRIC


@dataclass(frozen=True)
class Headline:
    """Whole sentences."""

    outcome: str
    """One sentence, also the page's heading."""
    tried: str
    numbers: str
    parts: str
    """Which parts are stand-ins; empty where none is."""


def write_headline(summary: JudgementSummary) -> Headline:
    """The headline of a judgement."""
    rows = {(row.pose_set, row.model, row.metric): row for row in summary.rows}
    sizes = {row.pose_set: row.num_poses for row in summary.rows}
    judged = " and on ".join(f"{count} {name} poses" for name, count in sizes.items())
    tried = (
        "A model that draws six views of a person from one picture was post-trained with DrPose, with and without the "
        f"KL term that holds it near what it was. It is compared with itself before, on {judged} that it has not seen."
    )
    shown = [
        _sentence(rows["challenging", DRPOSE, key], rows["challenging", BASE, key])
        for key in ("mpjpe_cm", "pose_score", "sharpness")
    ]
    parts = (
        "Made with free stand-ins instead of licensed parts, so no number here can be set beside the paper's: "
        f"{'; '.join(summary.twins)}."
        if summary.twins
        else ""
    )
    return Headline(_outcome(summary), tried, f"On challenging poses: {'; '.join(shown)}.", parts)


def _outcome(summary: JudgementSummary) -> str:
    verdicts = {verdict.key: verdict for verdict in summary.verdicts}
    pose, views = verdicts["pose"], verdicts["novel_views"]
    changes = changes_of(summary, "challenging", DRPOSE)
    if changes["mpjpe_cm"].worsens:
        return "DrPose made challenging poses worse in this run."
    if not pose.holds:
        return "No improvement of challenging poses was shown in this run."
    if doubts := against("pose_score", changes) or against("mpjpe_cm", changes):
        return f"The pose numbers improved, but {_and(doubts)} got worse: this is not confirmed as an improvement."
    return f"DrPose improved challenging poses; {_rest(views)}."


def _rest(views: Verdict) -> str:
    if views.holds:
        return "silhouettes and normals of the other views did not fall"
    return "that silhouettes and normals of the other views did not fall is not shown"


def _sentence(after: MetricRow, before: MetricRow) -> str:
    metric, change = METRIC[after.metric], after.change
    assert change is not None, "only the base has no change"
    digits, unit = metric.decimals, f" {metric.unit}" if metric.unit else ""
    low, high = f"{change.change.low:+.{digits}f}", f"{change.change.high:+.{digits}f}"
    return (
        f"{metric.title} {before.mean.value:.{digits}f} to {after.mean.value:.{digits}f}{unit} "
        f"({'more' if metric.higher_is_better else 'less'} is better; the change lies between {low} and {high})"
    )


def _and(keys: list[str]) -> str:
    titles = [METRIC[key].title for key in keys]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)
