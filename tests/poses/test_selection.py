"""Selections: disjoint valid windows in pick order, and the job that writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.job import main
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.readers.motions import MotionClip
from drpose_ray.poses.sampling.farthest import farthest_points
from drpose_ray.poses.sampling.features import pose_features
from drpose_ray.poses.sampling.selection import select_windows
from drpose_ray.poses.windows_file import read_selection

SHIPPED = Path(__file__).parents[2] / "data/cmu_subset/cmu_subset.npz"


@pytest.fixture(scope="module")
def dances() -> list[MotionClip]:
    return generate_dances(0, 4, 300)


def test_windows_are_disjoint_and_hold_only_valid_frames(dances: list[MotionClip]) -> None:
    valid = np.random.default_rng(0).random(300) > 0.03
    clips = [replace(clip, valid=valid) for clip in dances]
    selection = select_windows(clips, 1000, 10)
    taken = [(window.clip, frame) for window in selection.windows for frame in window.frames.tolist()]
    assert len(taken) == len(set(taken))
    assert all(valid[window.frames].all() and window.pick in window.frames for window in selection.windows)
    assert [window.rank for window in selection.windows] == list(range(len(selection.windows)))
    assert len({window.sequence_id for window in selection.windows}) == len(selection.windows)
    assert selection.num_overlapping_picks > 0
    assert selection.refused["marked invalid"] == 4 * int((~valid).sum())


def test_first_windows_surround_the_farthest_points(dances: list[MotionClip]) -> None:
    clips = [replace(clip, valid=None) for clip in dances]
    windows = select_windows(clips, 8, 10).windows
    picks = farthest_points(pose_features(np.concatenate([clip.motion for clip in clips])), 8).indices
    assert [(window.clip, window.pick) for window in windows] == [(clips[i // 300].name, i % 300) for i in picks]


def test_short_clips_are_passed_over_and_reported(dances: list[MotionClip]) -> None:
    short = replace(dances[0], name="short", motion=dances[0].motion[:9], valid=None)
    selection = select_windows([short, dances[1]], 3, 10)
    assert {window.clip for window in selection.windows} == {dances[1].name}
    assert (selection.refused["clip shorter than a window"], selection.num_short_clips) == (9, 1)
    with pytest.raises(InputError, match="none of 1 clips has 10 valid frames"):
        select_windows([short], 3, 10)


SMALL = (
    "--poses.dance.num_clips",
    "4",
    "--poses.dance.seconds",
    "5",
    "--poses.num_train",
    "12",
    "--poses.num_val",
    "3",
)


def test_job_selects_from_real_mocap_and_dance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--run.folder", str(tmp_path), "--poses.motions", f'["{SHIPPED}"]', *SMALL, "--poses.num_test", "4"]
    assert main(flags) == 0
    folder = tmp_path / "select_poses"
    assert f"12 train, 3 val, 4 test: {folder / 'selection.parquet'}" in capsys.readouterr().out
    summary = json.loads((folder / "summary.json").read_text())
    assert {split: entry["num_windows"] for split, entry in summary["splits"].items()} == {
        "train": 12,
        "val": 3,
        "test": 4,
    }
    assert summary["diversity_mm_by_set"]["selected train"] > summary["diversity_mm_by_set"]["all frames"]
    clips = [
        {window.clip for window in read_selection(folder / "selection.parquet", split)} for split in ("train", "test")
    ]
    assert not clips[0] & clips[1]
    assert len(summary["splits"]["train"]["num_windows_by_source"]) == 2
    assert (folder / "diversity.png").exists()


def test_job_refuses_bad_motions_without_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["--run.folder", str(tmp_path / "out"), "--poses.motions", f'["{tmp_path / "empty"}"]', *SMALL]) == 2
    assert "no .npy files" in capsys.readouterr().err
    assert not (tmp_path / "out/select_poses/summary.json").exists()
    assert not (tmp_path / "out/select_poses/selection.parquet").exists()
