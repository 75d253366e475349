"""The report's measures on oracles that read perfectly, badly, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.evaluation.page import Picture, Section, Table, as_html, as_markdown
from drpose_ray.evaluation.reward.intervals import mean_of
from drpose_ray.evaluation.reward.map_quality import measure_map_quality
from drpose_ray.evaluation.reward.people import read_people, some_of_each
from drpose_ray.evaluation.reward.probes import wrong_poses
from drpose_ray.evaluation.reward.probes.ascent import Norm, ascend, move_at_random
from drpose_ray.evaluation.reward.probes.calibration import ScoredPoses, measure_calibration, score_wrong_poses
from drpose_ray.evaluation.reward.probes.disturbed import blur, measure_disturbed, shift
from drpose_ray.evaluation.reward.probes.gradient import measure_gradient
from drpose_ray.evaluation.reward.probes.hacking import measure_hacking
from drpose_ray.evaluation.reward.probes.missing_limb import erase_forearm
from drpose_ray.evaluation.reward.probes.sensitivity import MISSING, measure_sensitivity
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.geometry.skeleton import JOINT_NAMES, PARENTS
from drpose_ray.metrics.joints import mean_distance_cm, peak_errors_cm, soft_errors_cm
from drpose_ray.reward.skeleton_maps import compose_preview
from tests.diffusion.encoded.six_views import write_six_views
from tests.evaluation.reward.perfect_predictor import SIZE, draw_seen, make_perfect_predictor
from tests.reward.posed_people import draw_maps


@pytest.fixture(scope="module")
def predictor() -> ScoredPredictor:
    return make_perfect_predictor()


@pytest.fixture(scope="module")
def people() -> PosedPeople:
    return draw_seen(6)


def test_turned_limbs_keep_their_lengths_and_the_pelvis(people: PosedPeople) -> None:
    turned = wrong_poses.turn_limbs(people.joints, 50.0, np.random.default_rng(0))
    parents = list(PARENTS)

    def lengths(joints: torch.Tensor) -> torch.Tensor:
        return (joints - joints[:, parents]).norm(dim=-1)

    torch.testing.assert_close(lengths(turned), lengths(people.joints))
    assert torch.equal(turned[:, 0], people.joints[:, 0])
    assert (mean_distance_cm(turned, people.joints) > 0.1).all()


def test_each_wrong_pose_is_wrong_in_its_own_way(people: PosedPeople) -> None:
    joints = people.joints
    swapped, depth = wrong_poses.swap_sides(joints), wrong_poses.mirror_depth(joints)
    assert torch.equal(swapped.sort(1).values, joints.sort(1).values), "the same places, other names"
    assert torch.equal(depth[..., :2], joints[..., :2]) and not torch.equal(depth, joints)
    torch.testing.assert_close(wrong_poses.mirror(wrong_poses.mirror(joints)), joints)
    moved = (wrong_poses.move_an_arm(joints) - joints).norm(dim=-1)
    arm = [[JOINT_NAMES.index(f"{side}_{part}") for part in ("elbow", "wrist")] for side in ("left", "right")]
    for person in moved:
        assert set(person.nonzero().flatten().tolist()) in [set(one) for one in arm]
    assert torch.equal(wrong_poses.another_persons(joints)[:, 0], joints[:, 0])


def test_errors_in_centimetres_are_those_that_were_made(people: PosedPeople) -> None:
    maps, where = draw_maps(people.joints, SIZE), (people.joints, people.center, people.width_m)
    pixel = 100 * people.width_m.max() / SIZE
    assert peak_errors_cm(maps, *where).max() < pixel
    assert soft_errors_cm(maps, *where).mean() < 0.5 * pixel
    moved = maps.roll(3, -1)  # three pixels to the right
    expected = 3 * 100 * people.width_m / SIZE
    torch.testing.assert_close(soft_errors_cm(moved, *where).mean((1, 2)), expected, rtol=0.05, atol=0)


def test_a_perfect_predictor_is_found_perfect(predictor: ScoredPredictor, people: PosedPeople) -> None:
    logits = predictor.read(people.latents)
    quality, _ = measure_map_quality(predictor, people, logits)
    assert quality.psnr_db.value > 35 and quality.ssim.value > 0.99 and quality.perceptual is None
    assert quality.soft_error_cm.value < 0.5 * quality.pixel_cm
    scored = score_wrong_poses(predictor, "stick", people, logits, (2, 5, 10, 20, 40, 80), 0)
    assert (scored.score.argmax(1) == 0).all(), "the true pose scores best"
    assert measure_calibration(scored).per_person.value > 0.9


def test_calibration_is_the_rank_correlation_and_notices_a_score_upside_down() -> None:
    distance = torch.arange(8.0).repeat(4, 1) + 10 * torch.arange(4.0)[:, None]
    right = measure_calibration(ScoredPoses(distance, -(distance**2)))
    assert right.pooled.value == right.per_person.value == right.share_monotone == 1
    assert measure_calibration(ScoredPoses(distance, distance)).pooled.value == -1
    # Within a person perfect, between people offset: only the pooled one is less.
    offset = measure_calibration(ScoredPoses(distance, -distance + 30 * torch.tensor([1.0, -1, 1, -1])[:, None]))
    assert offset.per_person.value == 1 and offset.pooled.value < 0.9


def test_sensitivity_sees_depth_only_where_it_can_be_seen(predictor: ScoredPredictor, people: PosedPeople) -> None:
    def encode(images: torch.Tensor) -> torch.Tensor:
        """Maps fade where the picture has been painted over."""
        kept = (images != people.images).any(3, keepdim=True).float()
        hidden = nn.functional.adaptive_max_pool2d(kept.flatten(0, 2), SIZE).reshape(*kept.shape[:4], SIZE, SIZE)
        return people.latents * (1 - hidden)

    rows = measure_sensitivity(predictor, people, predictor.read(people.latents), encode)
    found = {(row.wrong, row.views): row for row in rows}
    assert found["depth reversed", "front"].share_right == found["depth reversed", "back"].share_right == 0
    assert found["depth reversed", "sides"].share_right == 1
    for wrong in (*wrong_poses.WRONG_POSES, MISSING):
        assert found[wrong, "all six"].share_right == 1, wrong
        assert found[wrong, "all six"].difference.low > 0, wrong


def test_an_erased_forearm_is_white_and_nothing_else_changes(people: PosedPeople) -> None:
    images = torch.zeros_like(people.images)
    dark = replace(people, images=images)
    erased = erase_forearm(dark)
    assert torch.equal(dark.images, torch.zeros_like(images)), "the input is left alone"
    share = (erased == 255).float().mean((1, 2, 3, 4, 5))
    assert (erased[erased > 0] == 255).all() and (share > 0.001).all() and (share < 0.05).all()
    assert torch.equal(erased[:, 0], erased[:, 1]), "in both domains"


def test_disturbances_do_what_they_say(predictor: ScoredPredictor, people: PosedPeople) -> None:
    assert blur(torch.ones(1, 2, 6, 4, 8, 8), 3).allclose(torch.ones(()))
    spot = torch.zeros(1, 1, 1, 1, 4, 4)
    spot[..., 1, 1] = 1
    assert shift(spot, 2)[..., 1, 3] == 1 and shift(spot, 2).sum() == 1
    rows = {(row.kind, row.amount): row for row in measure_disturbed(predictor, people)}
    clean, moved = rows["none", 0], rows["shifted", 2]
    assert clean.share_right == 1 and moved.right.value < clean.right.value
    assert moved.followed is not None
    assert moved.followed.value == pytest.approx(clean.right.value, abs=0.01), "shifted back it is the same picture"


@pytest.mark.parametrize("norm", ["rms", "max"])
def test_ascent_gains_within_its_budget(norm: Norm, predictor: ScoredPredictor, people: PosedPeople) -> None:
    start, maps, budget = people.latents.roll(-1, 0).clamp(0.1, 0.9), predictor.draw(people), 0.05
    moved = ascend(predictor.score_at(people), start, norm, budget, steps=5)
    before, after = (predictor.score(predictor.read(latents), maps) for latents in (start, moved))
    assert (after > before).all()
    for change in (moved - start, move_at_random(start, norm, budget, torch.Generator()) - start):
        size = change.abs().amax((1, 2, 3, 4, 5)) if norm == "max" else change.square().mean((1, 2, 3, 4, 5)).sqrt()
        assert (size <= budget * 1.001).all() and (size > 0.5 * budget).all()


def test_gains_and_steps_are_judged_by_others(predictor: ScoredPredictor, people: PosedPeople) -> None:
    """A judge who sees the same maps follows; one who looks elsewhere is not moved."""

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return compose_preview(latents[:, :, :, :, :, :].clamp(0, 1))

    def sees_all(images: torch.Tensor, some: PosedPeople) -> torch.Tensor:
        target = compose_preview(predictor.draw(some))
        return (images[:, 1] - target).square().flatten(1).mean(1)

    def sees_nothing(images: torch.Tensor, _some: PosedPeople) -> torch.Tensor:
        return 1 + 0 * images.flatten(1).mean(1)

    def upside_down(images: torch.Tensor, some: PosedPeople) -> torch.Tensor:
        return 1 - sees_all(images, some)

    judges = {"all": sees_all, "nothing": sees_nothing, "upside down": upside_down}
    few = some_of_each([people], 4)
    hacked = measure_hacking(predictor.score_at(few), few, decode, [], judges, steps=4)
    assert all(row.gained.value > row.gained_at_random.value for row in hacked)
    assert all(row.followed["-cm by nothing"].value == 0 for row in hacked)
    assert all(row.share_right == 1 for row in hacked)
    assert hacked[0].judges_right == {"-cm by all": 1, "-cm by nothing": 0, "-cm by upside down": 0}
    assert hacked[3].followed["-cm by upside down"].value < 0 < hacked[3].followed["-cm by all"].value
    assert hacked[0].image_psnr_db.value > hacked[3].image_psnr_db.value, "a larger budget changes the picture more"
    start = 0.5 * people.latents + 0.25
    rows = measure_gradient(predictor, people, {"grey": start}, decode, [predictor], judges)
    assert all(row.share_improved == 1 and row.cosine_to_truth.value > 0 for row in rows)
    assert all(row.judges_improved["PoseScore of perfect"] == 1 for row in rows)
    assert all(row.judges_improved["-cm by nothing"] == 0 for row in rows)


def test_a_record_is_one_person_and_large_renders_are_encoded_at_the_models_size(tmp_path: Path) -> None:
    vae = build_i2mv(small_architecture(), seed=0).vae
    large = write_six_views(tmp_path / "large", frames=(2, 1, 1, 2, 1), side=192)
    people = read_people("a", large, vae, 96, limit=4)
    assert people.latents.shape == (4, 2, 6, 4, 16, 16) and people.images.shape[-1] == 192
    assert len(read_multiview(large)) == 7 and read_multiview(large, one_per_record=True).sample_ids == tuple(
        f"scan{record}.00" for record in range(5)
    )
    few = write_six_views(tmp_path / "few", frames=(3, 3), side=96)
    with pytest.raises(InputError, match="too few people"):
        read_people("a", few, vae, 96, limit=4)
    with pytest.raises(InputError, match="smaller than the model's"):
        read_people("a", large, vae, 384, limit=4)


def test_splits_take_turns_in_the_few(people: PosedPeople) -> None:
    other = replace(people, joints=people.joints + 5)
    few = some_of_each([people, other], 4)
    assert torch.equal(few.joints[0], people.joints[0]) and torch.equal(few.joints[1], other.joints[0])
    assert len(few) == 4


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0]])
def test_an_interval_holds_its_mean(values: Sequence[float]) -> None:
    found = mean_of(torch.tensor(values))
    assert found.low <= found.value <= found.high and found.value == pytest.approx(np.mean(values))
    assert (found.low == found.high) == (len(set(values)) == 1)


def test_the_page_says_the_same_in_both_formats_and_escapes() -> None:
    picture = Picture("dot.png", b"png", "a dot")
    parts = ["p < q", Table([["a", "b"], ["<i>", "2"]]), picture]
    markdown, html = (make("T", [], [Section("S", parts)]) for make in (as_markdown, as_html))
    assert "| a | b |\n|---|---|\n| <i> | 2 |" in markdown and "(dot.png)" in markdown
    assert "p &lt; q" in html and "&lt;i&gt;" in html and "cG5n" in html
