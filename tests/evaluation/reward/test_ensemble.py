"""Ensembles under adversarial ascent, and pictures of predictors that are many or wrong."""

from __future__ import annotations

import pytest
import torch

from drpose_ray.core.drawing import figures
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.reward import plots
from drpose_ray.evaluation.reward.probes.ensemble import cautious_score, measure_ensembles
from drpose_ray.evaluation.reward.probes.hacking import measure_hacking
from drpose_ray.evaluation.reward.probes.sensitivity import Sensitivity
from drpose_ray.evaluation.reward.summary import PredictorReport, RewardReportSummary, SplitReport
from drpose_ray.metrics.intervals import Interval
from drpose_ray.reward.skeleton_maps import compose_preview
from tests.evaluation.reward.perfect_predictor import draw_seen, make_perfect_predictor


def decode(latents: torch.Tensor) -> torch.Tensor:
    return compose_preview(latents.clamp(0, 1))


def brightness(images: torch.Tensor, _people: PosedPeople) -> torch.Tensor:
    return images.flatten(1).mean(1)


@pytest.fixture(scope="module")
def people() -> PosedPeople:
    return draw_seen(4)


def test_the_cautious_score_is_the_mean_less_the_spread(people: PosedPeople) -> None:
    right, dim = make_perfect_predictor("right"), make_perfect_predictor("dim", gain=0.5)
    latents = people.latents.roll(-1, 0)
    one, other = (predictor.score_at(people)(latents) for predictor in (right, dim))
    expected = (one + other) / 2 - 2 * (one - other).abs() / 2
    torch.testing.assert_close(cautious_score([right, dim], people, 2.0)(latents), expected, rtol=1e-4, atol=1e-4)


def test_who_is_left_out_judges_and_equal_members_change_nothing(people: PosedPeople) -> None:
    one, two, three = (
        make_perfect_predictor("one"),
        make_perfect_predictor("two"),
        make_perfect_predictor("three", gain=0.5),
    )
    judges = {"brightness": brightness}
    (pair,) = measure_ensembles([one, two], people, decode, judges, 2, 1.0)
    alone = measure_hacking(one.score_at(people), people, decode, [], judges, 2)
    assert pair.members == ("one", "two") and set(pair.hacking[0].followed) == {"-cm by brightness"}
    for row, single in zip(pair.hacking, alone, strict=True):
        assert row.gained.value == pytest.approx(single.gained.value, rel=1e-3)
    everyone, *all_but_one = measure_ensembles([one, two, three], people, decode, {}, 2, 1.0)
    assert everyone.hacking[0].followed == {}, "nobody is left to judge"
    assert [(team.members, *team.hacking[0].followed) for team in all_but_one] == [
        (("two", "three"), "PoseScore of one"), (("one", "three"), "PoseScore of two"),
        (("one", "two"), "PoseScore of three"),
    ]  # fmt: skip
    assert measure_ensembles([one], people, decode, judges, 2, 1.0) == []


def make_summary(num_predictors: int, difference: float) -> RewardReportSummary:
    """Only what the picture of the sensitivity reads; the last predictor's difference is ``difference``."""

    def predictor(number: int) -> PredictorReport:
        value = difference if number == num_predictors - 1 else 0.2 + 0.1 * number
        rows = tuple(
            Sensitivity(
                wrong=wrong, views="all six", distance_cm=9.0, share_right=float(value > 0),
                difference=Interval(value=value * scale, low=value * scale - 0.03, high=value * scale + 0.03),
            )
            for wrong, scale in (("mirrored", 1.0), ("an arm elsewhere", 0.3))
        )  # fmt: skip
        return PredictorReport.model_construct(
            name=f"p{number}", splits=(SplitReport.model_construct(split="dance", sensitivity=rows),)
        )

    return RewardReportSummary.model_construct(predictors=tuple(map(predictor, range(num_predictors))))


@pytest.mark.parametrize("difference", [-0.5, 0.0])
def test_a_seventh_predictor_and_a_preference_for_the_wrong_are_drawn(
    difference: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(figures, "save", lambda figure: drawn.append(figure) or b"")
    plots.plot_sensitivity(make_summary(7, difference))
    (axis,) = drawn[0].axes
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [f"p{number}" for number in range(7)]
    left, right = axis.get_xlim()
    for value in (difference, 0.7):
        assert left < value < right
        x, _ = axis.transData.transform((value, 0.0))
        assert axis.bbox.x0 < x < axis.bbox.x1
