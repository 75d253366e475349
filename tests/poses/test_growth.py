"""A selection is the beginning of a sequence: asking for more goes on with it and changes nothing that was there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.job import main
from drpose_ray.poses.procedural.dance import generate_dances
from drpose_ray.poses.sampling.core_set import CoreSetSampler
from drpose_ray.poses.sampling.picks import Pick, read_picks, write_picks
from drpose_ray.poses.sampling.selection import Selection, select_windows
from drpose_ray.poses.windows_file import read_selection, write_selection


@pytest.fixture(scope="module")
def clips() -> list[MotionClip]:
    return generate_dances(0, 4, 300)


def _bytes(path: Path, selection: Selection, num: int) -> bytes:
    write_selection(path, {"train": selection.windows[:num]})
    return path.read_bytes()


@pytest.mark.parametrize("cap", [None, 14])
def test_twenty_grown_to_fifty_are_the_fifty_selected_at_once(
    clips: list[MotionClip], tmp_path: Path, cap: int | None
) -> None:
    few = select_windows(clips, 20, 10, max_per_clip=cap)
    write_picks(tmp_path / "picks.npz", {"train": few.picks}, {"window": 10})
    stored = read_picks(tmp_path / "picks.npz", {"window": 10})["train"]
    assert stored == few.picks
    grown = select_windows(clips, 50, 10, max_per_clip=cap, earlier=stored)
    once = select_windows(clips, 50, 10, max_per_clip=cap)
    file = tmp_path / "selection.parquet"
    assert _bytes(file, grown, 20) == _bytes(file, few, 20)
    assert _bytes(file, grown, 50) == _bytes(file, once, 50)
    assert grown.picks == once.picks and grown.radius_mm == once.radius_mm
    assert grown.num_overlapping_picks > 0  # some picks were passed over, and stayed so
    assert len(few.windows) == 20 and len(once.windows) == 50


def test_a_core_set_of_fixed_size_grows_too(clips: list[MotionClip]) -> None:
    def make(points: np.ndarray) -> CoreSetSampler:
        return CoreSetSampler(points, 3, 60)

    few, many = (select_windows(clips, num, 10, make_sampler=make) for num in (10, 30))
    grown = select_windows(clips, 30, 10, make_sampler=make, earlier=few.picks)
    assert grown.picks == many.picks and grown.picks[: len(few.picks)] == few.picks


def test_clips_that_come_later_leave_the_earlier_windows_as_they_were(clips: list[MotionClip]) -> None:
    few = select_windows(clips[1:], 15, 10)
    grown = select_windows(clips, 40, 10, earlier=few.picks)
    assert [w.sequence_id for w in grown.windows[:15]] == [w.sequence_id for w in few.windows]
    assert clips[0].name in {window.clip for window in grown.windows[15:]}


def test_a_clip_gives_no_more_windows_than_the_cap(clips: list[MotionClip]) -> None:
    capped = [window.clip for window in select_windows(clips, 1000, 10, max_per_clip=6).windows]
    assert {clip.name: capped.count(clip.name) for clip in clips} == dict.fromkeys((c.name for c in clips), 6)
    free = select_windows(clips, 1000, 10)
    assert len(free.windows) > 40


def test_earlier_picks_that_are_gone_or_changed_are_refused(clips: list[MotionClip]) -> None:
    few = select_windows(clips, 20, 10)
    first = few.picks[0]
    with pytest.raises(InputError, match="not among the motions"):
        select_windows(clips[1:], 30, 10, earlier=few.picks)
    invalid = replace(clips[0], valid=np.arange(300) > 50)
    with pytest.raises(InputError, match="no valid frame"):
        select_windows([invalid, *clips[1:]], 30, 10, earlier=few.picks)
    with pytest.raises(InputError, match="has a window no more"):
        select_windows(clips, 30, 10, earlier=[first, replace(first)])


def test_damaged_and_foreign_pick_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "picks.npz"
    picks = {"train": [Pick("a", 3, float("inf"), has_window=True)]}
    write_picks(file, picks, {"window": 10, "max_windows_per_clip": None})
    assert read_picks(file, {"window": 10}) == picks
    with pytest.raises(InputError, match="made with window 10") as caught:
        read_picks(file, {"window": 12})
    assert caught.value.field == "poses.window"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="plain arrays"):
        read_picks(file, {})
    np.savez(file, split=np.array(["train"]))
    with pytest.raises(InputError, match="no sequence of picks"):
        read_picks(file, {})


def _run(folder: Path, motions: Path, *flags: str) -> Path:
    common = ["--run.folder", str(folder), "--poses.motions", f'["{motions}"]', "--poses.dance.num_clips", "0"]
    assert main([*common, "--poses.num_val", "2", "--poses.num_test", "2", *flags]) == 0
    return folder / "select_poses"


def test_job_continues_an_earlier_run_and_shows_other_sets_beside_it(tmp_path: Path) -> None:
    for clip in generate_dances(1, 12, 90):
        rows = clip.motion.copy()
        rows[5, 0] = np.nan
        (tmp_path / "motions").mkdir(exist_ok=True)
        np.save(tmp_path / "motions" / f"{clip.name}.npy", rows)
    few = _run(tmp_path / "few", tmp_path / "motions", "--poses.num_train", "8")
    once = _run(tmp_path / "once", tmp_path / "motions", "--poses.num_train", "14")
    compare = json.dumps({"few": str(few / "selection.parquet"), "motions": str(tmp_path / "motions")})
    flags = ("--poses.continues", str(few / "picks.npz"), "--poses.compare", compare, "--poses.num_train", "14")
    grown = _run(tmp_path / "grown", tmp_path / "motions", *flags)
    for name in ("selection.parquet", "picks.npz"):
        assert (grown / name).read_bytes() == (once / name).read_bytes()
    ids = [[w.sequence_id for w in read_selection(folder / "selection.parquet", "train")] for folder in (few, grown)]
    assert ids[1][:8] == ids[0]
    summary = json.loads((grown / "summary.json").read_text())
    assert {"few", "motions", "selected train"} <= summary["diversity_mm_by_set"].keys()
    assert all(value > 0 for value in summary["diversity_mm_by_set"].values())  # NaN frames were left out
    assert sum(split["refused_frames"]["not finite"] for split in summary["splits"].values()) == 12
    assert summary["splits"]["train"]["num_short_clips"] == 0


def test_job_refuses_a_changed_setting_and_a_name_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in generate_dances(1, 12, 30):
        (tmp_path / "motions").mkdir(exist_ok=True)
        np.save(tmp_path / "motions" / f"{clip.name}.npy", clip.motion)
    few = _run(tmp_path / "few", tmp_path / "motions", "--poses.num_train", "4")
    common = ["--poses.motions", f'["{tmp_path / "motions"}"]', "--poses.dance.num_clips", "0"]
    flags = [*common, "--poses.num_train", "4", "--poses.num_val", "2", "--poses.num_test", "2"]
    flags += ["--run.folder", str(tmp_path / "other")]
    assert main([*flags, "--poses.window", "8", "--poses.continues", str(few / "picks.npz")]) == 2
    assert "made with window 10" in capsys.readouterr().err
    assert main([*flags, "--poses.compare", json.dumps({"standing": str(few / "selection.parquet")})]) == 2
    assert "names of this job's own" in capsys.readouterr().err
    assert main([*flags, "--poses.core_set.picks", "3"]) == 2
    assert "fewer than the 4 windows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"distance": np.array([np.nan])}, "distance"),
        ({"distance": np.array([-1.0])}, "distance"),
        ({"frame": np.array([-5])}, "frame"),
        ({"clip": np.array([["a"]])}, "clip"),
        ({"split": None}, "split"),
        ({"settings": np.array("[1]")}, "settings"),
        ({"settings": np.array("[" * 100_000)}, "settings"),
        ({"settings": None}, "settings"),
    ],
)
def test_picks_that_are_none_are_refused_by_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    fields: dict[str, Any] = {
        "settings": np.array("{}"),
        "split": np.array(["train"]),
        "clip": np.array(["a"]),
        "frame": np.array([3]),
        "distance": np.array([np.inf]),
        "has_window": np.array([True]),
    }
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    np.savez(tmp_path / "picks.npz", **fields)
    with pytest.raises(InputError) as caught:
        read_picks(tmp_path / "picks.npz", {})
    assert (caught.value.file, caught.value.field) == (tmp_path / "picks.npz", field)
