"""No training sees the final test set, under whatever name; subjects of mocap are not divided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses import job as select_poses
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.final_test import FINAL_TEST, first_row_sha256, read_final_test, refuse_final_test
from drpose_ray.poses.people_sets import training_clips
from drpose_ray.poses.readers.motions import gather_motions
from drpose_ray.poses.split import split_clips, split_group
from drpose_ray.synthesis import people_job as render_people


def clip(name: str, value: float = 0.0) -> MotionClip:
    return MotionClip(name, np.full((4, 322), value, np.float32), 30.0, None, "test", "none")


def write_clips(folder: Path) -> list[str]:
    """Five clips of CMU, one of them in the final test set."""
    names = ["94_04", "60_01", "60_02", "61_01", "55_01"]
    starts, motion = np.arange(6) * 40, np.zeros((200, 322), np.float32)
    np.savez(folder / "clips.npz", motion=motion, clip_start=starts, clip_name=np.array(names), fps=np.array(30.0))
    return names


def test_the_list_holds_two_subjects_and_nothing_that_is_shipped() -> None:
    final = read_final_test(FINAL_TEST)
    assert {name.split("_")[0] for name in final} == {"94", "135"} and len(final) == len(set(final.values())) == 15
    refuse_final_test(gather_motions(PosesConfig()))


@pytest.mark.parametrize("name", ["94_04", "CMU/94/94_04_poses", "135_11/135_11_stageii"])
def test_a_clip_of_the_final_test_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"# two\n94_04 {'0' * 64}\n135_11 {'1' * 64}\n")
    with pytest.raises(InputError, match="final test set") as caught:
        refuse_final_test([clip("05_02"), clip(name)], tmp_path / "list.txt")
    assert caught.value.value == [name]


def test_a_clip_of_the_final_test_is_refused_by_content(tmp_path: Path) -> None:
    hidden = clip("dance", 0.5)
    (tmp_path / "list.txt").write_text(f"94_04 {first_row_sha256(hidden)}")
    longer_steps = replace(hidden, motion=hidden.motion[::2])
    with pytest.raises(InputError, match="1 clips to train on"):
        refuse_final_test([clip("05_02"), longer_steps], tmp_path / "list.txt")


def test_a_list_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("94_04\n")
    for file, problem in (("list.txt", "line 1"), ("none.txt", "no such file|missing|not there|not a file|cannot")):
        with pytest.raises(InputError, match=problem) as caught:
            refuse_final_test([], tmp_path / file)
        assert caught.value.file == tmp_path / file


def test_the_people_job_trains_on_none_of_it_and_without_says_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = write_clips(tmp_path)
    argv = [
        "--run.folder", str(tmp_path / "run"), "--poses.motions", f'["{tmp_path / "clips.npz"}"]',
        "--poses.val_share", "0", "--poses.test_share", "0",
        "--people.sets", '{"a": {"num": 1, "seed": 0, "mixture": {"mocap": 1}}}',
    ]  # fmt: skip
    assert render_people.main(argv) == 2
    assert "final test set" in capsys.readouterr().err and not (tmp_path / "run").exists()
    settings = PosesConfig(motions=(tmp_path / "clips.npz",), val_share=0, test_share=0, without=("94_*", "135_*"))
    assert [each.name for each in training_clips(settings)] == names[1:]


def test_windows_to_train_on_are_selected_from_none_of_it_in_any_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clips(tmp_path)
    monkeypatch.chdir(tmp_path)
    argv = ["--poses.motions", '["clips.npz"]', "--poses.num_val", "0", "--poses.num_test", "0"]
    assert select_poses.main(argv) == 2
    assert "final test set" in capsys.readouterr().err


def test_subjects_are_not_divided_and_others_are_refused() -> None:
    assert [split_group(name, "subject") for name in ("60_01", "CMU/60/60_11_poses", "135_04", "55_01_amp")] == [
        "subject 60", "subject 60", "subject 135", "subject 55",
    ]  # fmt: skip
    clips = [clip(f"{subject:02d}_{trial:02d}") for subject in range(1, 21) for trial in range(1, 5)]
    dealt = split_clips(clips, {"train": 0.6, "val": 0.2, "test": 0.2}, "subject")
    subjects = [{each.name[:2] for each in part} for part in dealt.values()]
    assert sum(map(len, subjects)) == 20 and all(len(part) % 4 == 0 for part in dealt.values())
    with pytest.raises(InputError, match="CMU subject"):
        split_group("dance-000", "subject")
