from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.evaluation.evaluate_model import METRICS, PoseSet, PoseTable, evaluate_model, measure_images

NUM_POSES, SIZE = 5, 24


def make_poses() -> PoseSet:
    """Boxes of random position in front of white; normals face the viewer."""
    rng = torch.Generator().manual_seed(0)
    masks = torch.zeros(NUM_POSES, 6, SIZE, SIZE, dtype=torch.bool)
    for pose in range(NUM_POSES):
        for view in range(6):
            x = int(torch.randint(2, 10, (), generator=rng))
            masks[pose, view, 4:20, x : x + 10] = True
    images = torch.ones(NUM_POSES, 2, 6, 3, SIZE, SIZE)
    images[:, 0] = torch.where(masks[:, :, None], torch.tensor([0.5, 0.5, 1.0]).view(1, 1, 3, 1, 1), 1.0)
    images[:, 1] = torch.where(masks[:, :, None], torch.tensor([0.7, 0.2, 0.2]).view(1, 1, 3, 1, 1), 1.0)
    names = tuple(f"p{i}" for i in range(NUM_POSES))
    joints, maps = torch.zeros(NUM_POSES, 23, 3), torch.zeros(NUM_POSES, 6, 23, 4, 4)
    people = PosedPeople(joints, torch.zeros(NUM_POSES, 3), torch.ones(NUM_POSES), names, images=images)
    return PoseSet("challenging", people, masks, maps)


def judge(poses: PoseSet, images: torch.Tensor, batch: int) -> PoseTable:
    """Judge images through a stand-in whose latents are the images; score and error read the pose's first pixel."""

    def batches() -> Iterator[torch.Tensor]:
        for begin in range(0, len(images), batch):
            yield images[begin : begin + batch].transpose(0, 1)

    return evaluate_model(
        "base",
        batches(),
        poses,
        decode_fn=lambda latents: latents.transpose(0, 1),
        score_fn=lambda latents, maps: -latents[1, :, 0, 0, 0, 0] - maps.sum((1, 2, 3, 4)),
        pose_error_fn=lambda images, width, joints: width * images[:, 1, 0, 0, 0, 0] + joints.sum((1, 2)),
    )


def test_the_truth_itself_is_judged_perfect() -> None:
    poses = make_poses()
    table = judge(poses, poses.people.images, batch=2)
    for key, best in (("iou", 1), ("iou_normal", 1), ("iou_colour", 1), ("ssim_colour", 1), ("mask_agreement", 1)):
        assert table.values[key] == pytest.approx(np.full(NUM_POSES, best)), key
    assert table.values["normal_angle_deg"] == pytest.approx(np.zeros(NUM_POSES), abs=1e-3)
    assert table.values["mpjpe_cm"] == pytest.approx(np.ones(NUM_POSES))


def test_a_change_of_the_front_view_changes_no_image_metric() -> None:
    poses = make_poses()
    changed = poses.people.images.clone()
    changed[:, :, 0] = 0
    before, after = (
        measure_images(images, poses.people.images, poses.masks) for images in (poses.people.images, changed)
    )
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_damage_to_one_domain_shows_in_its_own_columns() -> None:
    poses = make_poses()
    changed = poses.people.images.clone()
    changed[:, 0] = 1
    values = measure_images(changed, poses.people.images, poses.masks)
    assert values["iou_normal"].max() == 0
    assert values["iou_colour"].min() == 1
    assert values["iou"].tolist() == [0.5] * NUM_POSES
    assert values["normal_angle_deg"].tolist() == [90.0] * NUM_POSES
    assert values["normal_error_deg"].tolist() == [90.0] * NUM_POSES
    assert values["mask_agreement"].max() == 0


def test_batch_size_does_not_change_the_table() -> None:
    poses = make_poses()
    images = poses.people.images.clone()
    images[:, 1, 0, 0, 0, 0] = torch.arange(NUM_POSES) / 10
    tables = [judge(poses, images, batch) for batch in (1, 2, NUM_POSES)]
    for metric in METRICS:
        for table in tables[1:]:
            np.testing.assert_array_equal(table.values[metric.key], tables[0].values[metric.key])
    assert tables[0].values["pose_score"] == pytest.approx(-np.arange(NUM_POSES) / 10)


@pytest.mark.parametrize("num", [NUM_POSES - 1, NUM_POSES + 1, 0])
def test_latents_that_do_not_cover_the_poses_are_refused(num: int) -> None:
    poses = make_poses()
    images = torch.cat([poses.people.images, poses.people.images])[:num]
    with pytest.raises(InputError, match="do not cover"):
        judge(poses, images, batch=1)
