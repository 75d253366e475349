from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, NO_KL, compare
from drpose_ray.evaluation.evaluate_model import PoseTable
from tests.evaluation.drpose.judged import FIXED_MASK_IOU, make_judgement, make_table

COLLAPSED = {"pose_score": 0.2, "psnr_normal_db": -5.0, "normal_angle_deg": 20.0}
Tables = dict[str, dict[str, PoseTable]]


def failing(tables: Tables) -> set[str]:
    verdicts = compare(tables["challenging"], tables["standing"], FIXED_MASK_IOU, seed=0)
    return {v.key for v in verdicts if not v.holds}


def test_a_run_that_shows_everything_passes_every_claim() -> None:
    assert failing(make_judgement()) == set()


@pytest.mark.parametrize(
    ("pose_set", "model", "changes", "claim"),
    [
        ("challenging", DRPOSE, {"pose_score": 0.12, "mpjpe_cm": 0.4}, "pose"),  # only the reward improved
        ("challenging", DRPOSE, {"pose_score": 0.0, "mpjpe_cm": -2.0}, "pose"),
        ("challenging", DRPOSE, {"pose_score": 0.1, "mpjpe_cm": -2.0, "iou_normal": -0.01}, "novel_views"),
        ("challenging", DRPOSE, {"pose_score": 0.1, "mpjpe_cm": -2.0, "psnr_normal_db": -1.0}, "novel_views"),
        ("challenging", DRPOSE, {"pose_score": 0.1, "mpjpe_cm": -2.0, "normal_error_deg": 2.0}, "novel_views"),
        ("challenging", DRPOSE, {"pose_score": 0.1, "mpjpe_cm": -2.0, "normal_angle_deg": 2.0}, "novel_views"),
        ("standing", DRPOSE, {"psnr_colour_db": -1.1}, "standing"),
        ("standing", DRPOSE, {"ssim_normal": -0.06}, "standing"),
        ("challenging", NO_KL, {**COLLAPSED, "pose_score": 0.05}, "hacking"),  # not the best
        ("challenging", NO_KL, {**COLLAPSED, "psnr_normal_db": 0.0}, "hacking"),
        ("challenging", NO_KL, {**COLLAPSED, "normal_angle_deg": 0.0}, "hacking"),
        ("standing", NO_KL, {"iou": -0.05}, "hacking"),  # worse than the base, better than one mask for everybody
        ("standing", BASE, {"iou": -0.2}, "hacking"),  # nothing to lose
    ],
)
def test_each_claim_fails_when_its_evidence_is_missing(
    pose_set: str, model: str, changes: dict[str, float], claim: str
) -> None:
    tables = make_judgement()
    tables[pose_set][model] = make_table(model, pose_set, **changes)
    assert failing(tables) == {claim}


def test_a_fall_that_is_shown_fails_even_inside_the_margin() -> None:
    """A loss of 1 % on every pose is below the margin of 2 %, but it is a fall."""
    tables = make_judgement()
    tables["challenging"][DRPOSE] = make_table(DRPOSE, "challenging", pose_score=0.1, mpjpe_cm=-2.0, iou_colour=-0.006)
    assert failing(tables) == {"novel_views"}


def test_absence_of_evidence_is_not_evidence_that_nothing_fell() -> None:
    """With changes all over the place no fall is shown, but a large one is not ruled out either."""
    tables = make_judgement()
    drpose = tables["challenging"][DRPOSE]
    scatter = np.random.default_rng(0).normal(0, 8, len(drpose.sample_ids))
    noisy = drpose.values | {"psnr_normal_db": drpose.values["psnr_normal_db"] + scatter - scatter.mean()}
    tables["challenging"][DRPOSE] = dataclasses.replace(drpose, values=noisy)
    assert failing(tables) == {"novel_views"}


def test_models_judged_on_different_poses_are_not_compared() -> None:
    tables = make_judgement()
    drpose = tables["challenging"][DRPOSE]
    tables["challenging"][DRPOSE] = dataclasses.replace(drpose, sample_ids=drpose.sample_ids[::-1])
    with pytest.raises(InputError, match="different poses"):
        failing(tables)


def test_a_missing_model_is_named() -> None:
    tables = make_judgement()
    del tables["challenging"][BASE]
    with pytest.raises(InputError, match="base"):
        failing(tables)
