"""A number that rises at the cost of the others is not shown as success; a smear is how that happens."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, compare
from drpose_ray.evaluation.drpose.confirmation import WITNESSES, Judgement, against, judge_change
from drpose_ray.evaluation.drpose.headline import write_headline
from drpose_ray.evaluation.drpose.summary import JudgementSummary, summarise
from drpose_ray.evaluation.drpose.text_table import format_table
from drpose_ray.evaluation.evaluate_model import METRICS, PoseTable, measure_images
from drpose_ray.metrics.paired import PairedChange, measure_change
from tests.evaluation.drpose.judged import FIXED_MASK_IOU, LEVELS, make_judgement, make_table


def changes(table: PoseTable) -> dict[str, PairedChange]:
    base = make_table(BASE, "challenging")
    return {
        metric.key: measure_change(
            base.values[metric.key], table.values[metric.key], base.groups, seed=0,
            higher_is_better=metric.higher_is_better,
        )
        for metric in METRICS
    }  # fmt: skip


def judge(drpose: PoseTable) -> JudgementSummary:
    tables = make_judgement()
    tables["challenging"][DRPOSE] = drpose
    verdicts = compare(tables["challenging"], tables["standing"], FIXED_MASK_IOU, seed=0)
    return summarise(tables, verdicts, ("a stand-in",), seed=0)


def draw_people(count: int, shift: int = 0) -> torch.Tensor:
    """(B, M=2, V=6, 3, s, s): striped blocks on white, moved by ``shift`` pixels."""
    images = torch.ones(count, 2, 6, 3, 64, 64)
    for person in range(count):
        left, top = 20 + person + shift, 10 + person
        stripes = (torch.arange(40) // 3 % 2 * 0.5)[:, None].expand(40, 16)
        images[person, ..., top : top + 40, left : left + 16] = stripes
    return images


def smear(images: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(gaussian_filter(images.numpy(), 2.0, axes=(-2, -1)))


def test_a_smear_of_misplaced_people_raises_psnr_and_is_not_shown_as_better() -> None:
    truth = draw_people(8)
    masks = (truth[:, 0] < 1).all(2)
    wrong = draw_people(8, shift=7)
    smeared = smear(wrong)
    names = tuple("abcdefgh")
    before, after = (measure_images(images, truth, masks) for images in (wrong, smeared))
    found = {
        metric.key: measure_change(
            before[metric.key].numpy(), after[metric.key].numpy(), names, seed=0,
            higher_is_better=metric.higher_is_better,
        )
        for metric in METRICS
        if metric.key in before
    }  # fmt: skip
    assert found["psnr_colour_db"].improves, "that is what makes it dangerous"
    assert found["sharpness"].worsens
    assert not [key for key in found if judge_change(key, found) is Judgement.BETTER]
    assert "sharpness" in against("psnr_colour_db", found)


def test_sharpness_is_one_at_the_truth_and_falls_with_blur_and_with_noise() -> None:
    truth = draw_people(2)
    masks = (truth[:, 0] < 1).all(2)
    noisy = truth + 0.3 * torch.rand(truth.shape, generator=torch.Generator().manual_seed(0))
    smeared = smear(truth)
    exact, noise, blur = (measure_images(images, truth, masks)["sharpness"] for images in (truth, noisy, smeared))
    torch.testing.assert_close(exact, torch.ones_like(exact))
    assert (noise < 0.9).all() and (blur < 0.5).all()
    blank = torch.ones_like(truth)
    assert (measure_images(blank, truth, masks)["sharpness"] == 0).all()
    assert (measure_images(blank, blank, masks)["sharpness"] == 1).all()


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("key", [metric.key for metric in METRICS])
def test_every_improvement_is_held_against_every_witness(key: str, witness: str) -> None:
    if key == witness:
        return
    better = {m.key: m.higher_is_better for m in METRICS}
    moved = {"mpjpe_cm": -2.0, key: 0.2 * abs(LEVELS[key]) * (1 if better[key] else -1)}
    alone = changes(make_table(DRPOSE, "challenging", **moved))
    assert judge_change(key, alone) is Judgement.BETTER
    moved[witness] = 0.2 * abs(LEVELS[witness]) * (-1 if better[witness] else 1)
    contradicted = changes(make_table(DRPOSE, "challenging", **moved))
    assert judge_change(key, contradicted) is Judgement.UNCONFIRMED
    assert against(key, contradicted) == [witness]


def test_the_reward_is_no_evidence_of_its_own() -> None:
    found = changes(make_table(DRPOSE, "challenging", pose_score=0.2))
    assert judge_change("pose_score", found) is Judgement.UNCONFIRMED
    assert against("pose_score", found) == ["mpjpe_cm"]
    assert judge_change("mpjpe_cm", found) is Judgement.UNCHANGED


def test_the_headline_says_what_was_confirmed_and_names_the_stand_ins() -> None:
    good = {"pose_score": 0.12, "mpjpe_cm": -2.5}
    confirmed = write_headline(judge(make_table(DRPOSE, "challenging", **good)))
    assert confirmed.outcome.startswith("DrPose improved challenging poses")
    assert "a stand-in" in confirmed.parts and "40 challenging poses" in confirmed.tried
    smeared = write_headline(judge(make_table(DRPOSE, "challenging", **good, sharpness=-0.1)))
    assert smeared.outcome.startswith("The pose numbers improved, but sharpness got worse")
    nothing = write_headline(judge(make_table(DRPOSE, "challenging")))
    assert nothing.outcome == "No improvement of challenging poses was shown in this run."


def test_the_plain_table_marks_what_is_not_confirmed() -> None:
    summary = judge(make_table(DRPOSE, "challenging", pose_score=0.12, mpjpe_cm=-2.5, sharpness=-0.1))
    block = format_table(summary).split("\n\n")[1]
    line = next(line for line in block.splitlines() if line.startswith("pose error"))
    assert line.count("?") == 1 and "+ " not in line
