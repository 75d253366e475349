"""Sampling over actors picks what one process picks, to the index, whatever their number."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.job import main
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.sampling.core_set import CoreSetSampler, core_set
from drpose_ray.poses.sampling.farthest import LocalSampler, farthest_points, iterate_sampler
from drpose_ray.poses.sampling.features import pose_features
from drpose_ray.poses.sampling.on_ray import SamplerOnRay, pick_each_part_on_ray
from drpose_ray.poses.sampling.selection import select_windows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

CLIPS = generate_dances(0, 4, 300)
POSES = pose_features(np.concatenate([clip.motion for clip in CLIPS]))


@pytest.mark.parametrize("num_actors", [1, 3])
def test_picks_and_distances_are_those_of_one_process(num_actors: int) -> None:
    alone = farthest_points(POSES, 80)
    shared = list(islice(iterate_sampler(SamplerOnRay(POSES, num_actors)), 80))
    assert [index for index, _ in shared] == alone.indices.tolist()
    np.testing.assert_array_equal([distance for _, distance in shared], alone.distances)


def test_a_start_outside_the_first_part_and_given_picks_are_found() -> None:
    alone = farthest_points(POSES, 30, start=len(POSES) - 1)
    sampler = SamplerOnRay(POSES, 2)
    continued = islice(iterate_sampler(sampler, taken=alone.indices[:12].tolist()), 18)
    assert [index for index, _ in continued] == alone.indices[12:].tolist()


def test_ties_across_actors_go_to_the_lowest_index_and_duplicates_end_the_sampling() -> None:
    corners = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1], [1, 1], [0, 0]], np.float32)
    picks = [index for index, _ in iterate_sampler(SamplerOnRay(corners, 3))]
    assert picks == [0, 1, 2, 3, 4]
    few = np.eye(2, dtype=np.float32)  # fewer points than actors
    assert [index for index, _ in iterate_sampler(SamplerOnRay(few, 3))] == [0, 1]


def test_exclusion_across_the_border_of_two_actors() -> None:
    alone, shared = LocalSampler(POSES), SamplerOnRay(POSES, 2)
    for number in range(25):
        if number == 5:
            alone.exclude(550, 700)
            shared.exclude(550, 700)
        assert shared.farthest() == alone.farthest()
        index, _ = alone.farthest()
        alone.take(index)
        shared.take(index)


def test_selected_windows_are_the_same() -> None:
    alone = select_windows(CLIPS, 30, 10, max_per_clip=9)
    shared = select_windows(CLIPS, 30, 10, max_per_clip=9, make_sampler=lambda points: SamplerOnRay(points, 2))
    assert alone.picks == shared.picks
    assert [w.sequence_id for w in alone.windows] == [w.sequence_id for w in shared.windows]


def test_first_round_over_tasks_gives_the_same_core_set() -> None:
    np.testing.assert_array_equal(core_set(POSES, 3, 20, pick_each_part_on_ray), core_set(POSES, 3, 20))
    sampler = CoreSetSampler(POSES, 3, 20, pick_each_part_on_ray)
    assert sampler.farthest()[0] == 0


def test_no_actor_and_broken_points_are_refused() -> None:
    broken = POSES.copy()
    broken[3, 3] = np.nan
    for points, num_actors in ((POSES, 0), (broken, 2)):
        with pytest.raises(InputError):
            SamplerOnRay(points, num_actors)


@pytest.mark.parametrize("core_set", [(), ("--poses.core_set.picks", "12", "--poses.core_set.parts", "2")])
def test_job_over_actors_writes_the_same_files(tmp_path: Path, core_set: tuple[str, ...]) -> None:
    flags = ["--poses.motions", "[]", "--poses.dance.num_clips", "10", "--poses.dance.seconds", "3", *core_set]
    flags += ["--poses.num_train", "12", "--poses.num_val", "0", "--poses.num_test", "3"]
    for actors in ("0", "2"):
        assert main([*flags, "--run.folder", str(tmp_path / actors), "--poses.actors", actors]) == 0
    for name in ("selection.parquet", "picks.npz", "diversity.png"):
        one, other = (tmp_path / actors / "select_poses" / name for actors in ("0", "2"))
        assert one.read_bytes() == other.read_bytes()
