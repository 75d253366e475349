"""The claims of DrPose as checks, and what a run finds on each: it holds, or it is not shown.

A finding is not a test of the software: a short run, few poses or an ablation may well not show a claim, and the job
that says so has done its work.

The thresholds are constants, not settings: a preset cannot weaken a claim. Silhouettes have *collapsed* where they tell
less of a person than one fixed mask per view, drawn for everybody. That is read on standing poses, where the base tells
more; on challenging ones it hardly does, so there is little to lose (docs/log.md).

Intervals are 95 % bootstrap intervals over poses of paired changes (``metrics.paired``); each check is a test of its
own and no correction is made for their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from drpose_ray.core.errors import InputError
from drpose_ray.evaluation.evaluate_model import METRIC, PoseTable
from drpose_ray.metrics.intervals import Interval
from drpose_ray.metrics.paired import PairedChange, measure_change, measure_relative_loss

BASE, DRPOSE, NO_KL = "base", "drpose", "drpose_no_kl"
CEILING: Final = "truth_through_vae"
"""Ground-truth renders encoded and decoded by the VAE: what a perfect denoiser would score."""
MODEL_TITLES: Final = {
    CEILING: "truth through VAE",
    BASE: "base",
    DRPOSE: "DrPose",
    NO_KL: "DrPose without KL",
}
"""In the order of tables."""

NOVEL_VIEW_MARGIN: Final = 0.02
"""Novel views "do not fall": no fall is shown, and a fall of more than 2 % of the base's mean is ruled out."""
STANDING_MARGIN: Final = 0.05
"""Standing poses lose at most 5 % of image quality: a larger loss of the mean is ruled out."""

POSE_KEYS: Final = ("pose_score", "mpjpe_cm")
NOVEL_VIEW_KEYS: Final = ("iou_normal", "iou_colour", "normal_error_deg", "normal_angle_deg", "psnr_normal_db")
STANDING_KEYS: Final = ("psnr_normal_db", "psnr_colour_db", "ssim_normal", "ssim_colour")


class Check(BaseModel):
    """One measured condition of a claim, in words and with its numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sentence: str
    holds: bool


class Verdict(BaseModel):
    """A claim; it holds when all its checks do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    claim: str
    holds: bool
    checks: tuple[Check, ...]

    @property
    def finding(self) -> str:
        """What this run found, in words."""
        if self.holds:
            return "holds"
        return f"not shown ({sum(check.holds for check in self.checks)} of {len(self.checks)} checks)"


def compare(
    challenging: Mapping[str, PoseTable],
    standing: Mapping[str, PoseTable],
    standing_fixed_mask_iou: NDArray[np.float64],
    seed: int,
) -> tuple[Verdict, ...]:
    """The four verdicts from the tables of ``BASE``, ``DRPOSE`` and ``NO_KL`` on both pose sets.

    Args:
        standing_fixed_mask_iou: (B,) of each standing pose (``metrics.silhouettes.fixed_mask_iou``).

    Raises InputError if a table is missing or two tables judge different poses.
    """
    base, drpose, no_kl = (_table(challenging, name) for name in (BASE, DRPOSE, NO_KL))
    standing_base, standing_drpose, standing_no_kl = (_table(standing, name) for name in (BASE, DRPOSE, NO_KL))
    return (
        _verdict(
            "pose", "On challenging poses DrPose beats its base in PoseScore and in the independent pose error",
            [_improves(key, base, drpose, seed) for key in POSE_KEYS],
        ),
        _verdict(
            "novel_views", "Silhouettes and normals of novel views do not fall on challenging poses",
            [_does_not_fall(key, base, drpose, seed) for key in NOVEL_VIEW_KEYS],
        ),
        _verdict(
            "standing", f"Standing poses lose at most {STANDING_MARGIN:.0%} of image quality",
            [_loses_at_most(key, standing_base, standing_drpose, STANDING_MARGIN, seed) for key in STANDING_KEYS],
        ),
        _verdict(
            "hacking", "Without KL the reward is hacked: PoseScore is best while silhouettes and normals collapse",
            [
                _improves("pose_score", drpose, no_kl, seed),
                _improves("pose_score", base, no_kl, seed),
                _tells_more_than_a_fixed_mask(standing_base, standing_fixed_mask_iou, seed),
                _tells_less_than_a_fixed_mask(standing_base, standing_no_kl, standing_fixed_mask_iou, seed),
                _worsens("psnr_normal_db", base, no_kl, seed),
                _worsens("normal_angle_deg", base, no_kl, seed),
            ],
        ),
    )  # fmt: skip


def change_between(key: str, before: PoseTable, after: PoseTable, seed: int) -> PairedChange:
    """Paired change of one metric. Raises InputError if the tables judge different poses."""
    if before.sample_ids != after.sample_ids:
        raise InputError(
            "two models were judged on different poses", field=key, value=(before.model, after.model),
            remedy="judge all models on the same pose set",
        )  # fmt: skip
    return measure_change(
        before.values[key], after.values[key], before.groups, higher_is_better=METRIC[key].higher_is_better, seed=seed
    )


def _verdict(key: str, claim: str, checks: list[Check]) -> Verdict:
    return Verdict(key=key, claim=claim, holds=all(check.holds for check in checks), checks=tuple(checks))


def _improves(key: str, before: PoseTable, after: PoseTable, seed: int) -> Check:
    change = change_between(key, before, after, seed)
    sentence = f"{_describe(key, before, after, change)}; {_direction(change) or 'not shown to be better'}"
    return Check(sentence=sentence, holds=change.improves)


def _worsens(key: str, before: PoseTable, after: PoseTable, seed: int) -> Check:
    change = change_between(key, before, after, seed)
    sentence = f"{_describe(key, before, after, change)}; {_direction(change) or 'not shown to be worse'}"
    return Check(sentence=sentence, holds=change.worsens)


def _direction(change: PairedChange) -> str:
    if not (change.improves or change.worsens):
        return ""
    return f"{'better' if change.improves else 'worse'}, the interval excludes zero"


def _does_not_fall(key: str, before: PoseTable, after: PoseTable, seed: int) -> Check:
    change = change_between(key, before, after, seed)
    loss = _relative_loss(key, before, after, seed)
    excluded = loss.high <= NOVEL_VIEW_MARGIN
    if change.improves:
        verdict = "better, the interval excludes zero"
    elif change.worsens:
        verdict = f"fell, the interval excludes zero (loss {_percent(loss)} of the base's mean)"
    elif excluded:
        verdict = f"no change shown, and a loss above {NOVEL_VIEW_MARGIN:.0%} is ruled out"
    else:
        verdict = f"no change shown, but a loss above {NOVEL_VIEW_MARGIN:.0%} is not ruled out ({_percent(loss)})"
    return Check(
        sentence=f"{_describe(key, before, after, change)}; {verdict}",
        holds=change.improves or (excluded and not change.worsens),
    )


def _loses_at_most(key: str, before: PoseTable, after: PoseTable, margin: float, seed: int) -> Check:
    change = change_between(key, before, after, seed)
    loss = _relative_loss(key, before, after, seed)
    holds = loss.high <= margin
    within = "within" if holds else "not shown to be within"
    verdict = f"loss {_percent(loss)} of the base's mean, {within} {margin:.0%}"
    sentence = f"{_describe(key, before, after, change)}; {verdict}"
    return Check(sentence=sentence, holds=holds)


def _tells_more_than_a_fixed_mask(table: PoseTable, fixed: NDArray[np.float64], seed: int) -> Check:
    change = measure_change(fixed, table.values["iou"], table.groups, higher_is_better=True, seed=seed)
    verdict = "there is something to lose" if change.improves else "not shown to tell more, so nothing to lose"
    return Check(sentence=f"{_against_fixed_mask(table, fixed, change)}; {verdict}", holds=change.improves)


def _tells_less_than_a_fixed_mask(before: PoseTable, after: PoseTable, fixed: NDArray[np.float64], seed: int) -> Check:
    change = measure_change(fixed, after.values["iou"], after.groups, higher_is_better=True, seed=seed)
    loss = _relative_loss("iou", before, after, seed)
    share = f"{1 - loss.value:.2f} [{1 - loss.high:.2f}, {1 - loss.low:.2f}] of the base's mean"
    verdict = "collapsed" if change.worsens else "not shown to tell less"
    return Check(sentence=f"{_against_fixed_mask(after, fixed, change)}; {verdict}; {share}", holds=change.worsens)


def _against_fixed_mask(table: PoseTable, fixed: NDArray[np.float64], change: PairedChange) -> str:
    return (
        f"{METRIC['iou'].title} on standing poses, one fixed mask for everybody against {MODEL_TITLES[table.model]}: "
        f"{fixed.mean():.3f} to {table.mean('iou'):.3f}, {change.change.show(METRIC['iou'].decimals, '+')}"
    )


def _relative_loss(key: str, before: PoseTable, after: PoseTable, seed: int) -> Interval:
    return measure_relative_loss(
        before.values[key], after.values[key], before.groups, higher_is_better=METRIC[key].higher_is_better, seed=seed
    )


def _describe(key: str, before: PoseTable, after: PoseTable, change: PairedChange) -> str:
    metric = METRIC[key]
    unit = f" {metric.unit}" if metric.unit else ""
    return (
        f"{metric.title}, {MODEL_TITLES[before.model]} to {MODEL_TITLES[after.model]}: "
        f"{before.mean(key):.{metric.decimals}f} to {after.mean(key):.{metric.decimals}f}{unit}, "
        f"change {change.change.show(metric.decimals, '+')}, "
        f"{change.share_improved:.0%} of {change.num_poses} poses better"
    )


def _percent(loss: Interval) -> str:
    return f"{100 * loss.value:+.1f} % [{100 * loss.low:+.1f}, {100 * loss.high:+.1f}]"


def _table(tables: Mapping[str, PoseTable], name: str) -> PoseTable:
    if name not in tables:
        raise InputError("a model was not judged", field=name, value=sorted(tables), remedy="judge all three models")
    return tables[name]
