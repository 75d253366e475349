from __future__ import annotations

import numpy as np
import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.evaluation.evaluate_model import PoseSet
from drpose_ray.evaluation.generate import encode_truth, fit_images, generate_latents
from drpose_ray.evaluation.pose_sets import picked_frames, standing_windows
from drpose_ray.poses.windows import PoseWindow


def test_only_the_picked_frame_of_a_window_is_judged() -> None:
    motion = np.arange(3 * 322, dtype=np.float32).reshape(3, 322)
    window = PoseWindow("a-1", "a", np.array([4, 5, 6]), motion, pick=5, rank=0, fps=30, source="s", licence="l")
    (cut,) = picked_frames([window])
    assert cut.frames.tolist() == [5]
    np.testing.assert_array_equal(cut.motion, motion[1:2])
    assert cut.sequence_id == window.sequence_id


def test_standing_poses_depend_on_the_seed_and_have_names_of_their_own() -> None:
    first, again, other = standing_windows(0, 4), standing_windows(0, 4), standing_windows(1, 4)
    assert len({window.sequence_id for window in first}) == 4
    assert all(np.array_equal(a.motion, b.motion) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.motion, b.motion) for a, b in zip(first, other, strict=True))


def make_poses(order: list[int]) -> PoseSet:
    images = torch.rand(3, 2, 6, 3, 96, 96, generator=torch.Generator().manual_seed(0))[order]
    names = tuple(f"p{i}" for i in order)
    masks, joints = torch.ones(len(order), 6, 96, 96, dtype=torch.bool), torch.zeros(len(order), 23, 3)
    maps = torch.zeros(len(order), 6, 23, 32, 32)
    people = PosedPeople(joints, torch.zeros(len(order), 3), torch.ones(len(order)), names, images=images)
    return PoseSet("challenging", people, masks, maps)


def test_latents_of_a_pose_depend_neither_on_batch_size_nor_on_the_other_poses() -> None:
    """All models must start from the same noise for the same pose, or the comparison is not paired."""
    model = build_i2mv(small_architecture(), seed=0).freeze()

    def generate(order: list[int], batch_size: int) -> torch.Tensor:
        poses = make_poses(order)
        return torch.cat(list(generate_latents(model, poses, num_sampling_steps=2, batch_size=batch_size, seed=0)), 1)

    together, alone, reordered = generate([0, 1, 2], 3), generate([0, 1, 2], 1), generate([2, 0], 2)
    assert together.shape == (2, 3, 6, 4, 16, 16)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    torch.testing.assert_close(reordered, together[:, [2, 0]], rtol=0, atol=1e-4)


def test_truth_latents_keep_domains_objects_and_views_apart() -> None:
    model = build_i2mv(small_architecture(), seed=0).freeze()
    poses = make_poses([0, 1, 2])
    latents = torch.cat(list(encode_truth(model, poses, batch_size=2)), 1)
    torch.testing.assert_close(latents[1, 2, 3], model.vae.encode(poses.people.images[2, 1, 3:4])[0], rtol=0, atol=1e-5)


def test_images_are_averaged_to_the_models_size() -> None:
    images = torch.zeros(2, 3, 4, 4)
    images[..., ::2] = 1
    assert fit_images(images, 2).unique().tolist() == [0.5]
    assert fit_images(images, 4) is images
