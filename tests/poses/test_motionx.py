"""Reading motions: both layouts, thinning, and every malformed input refused by name."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.geometry import motion_row
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.readers.motions import gather_motions, read_motions
from drpose_ray.poses.windows import name_sequence

SHIPPED = Path(__file__).parents[2] / "data/cmu_subset/cmu_subset.npz"


def _rows(num: int) -> np.ndarray:
    rows = np.zeros((num, 322), np.float32)
    rows[:, 0] = np.arange(num)
    return rows


def _npz(path: Path, **changes: Any) -> Path:
    fields: dict[str, Any] = {
        "motion": _rows(40).astype(np.float16),
        "clip_start": np.array([0, 17, 40]),
        "clip_name": np.array(["walk", "jump"]),
        "fps": np.float64(120),
        "valid": np.ones(40, bool),
    }
    fields |= changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def test_columns_cover_the_row_once() -> None:
    parts = (
        motion_row.ROOT_ORIENT,
        motion_row.BODY_POSE,
        motion_row.HAND_POSE,
        motion_row.JAW_POSE,
        motion_row.EXPRESSION,
        motion_row.FACE_SHAPE,
        motion_row.TRANSLATION,
        motion_row.BETAS,
    )
    assert [column for part in parts for column in range(322)[part]] == list(range(322))


def test_folder_tree_gives_clips_named_by_path(tmp_path: Path) -> None:
    for name, num in (("b/second", 12), ("a/x/first", 7)):
        file = tmp_path / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, _rows(num))
    clips = read_motions(tmp_path, fps=15, licence="mine")
    assert [(clip.name, len(clip.motion), clip.fps, clip.licence) for clip in clips] == [
        ("a/x/first", 4, 15, "mine"),
        ("b/second", 6, 15, "mine"),
    ]
    assert clips[1].motion[:, 0].tolist() == [0, 2, 4, 6, 8, 10]


def test_npz_is_thinned_within_each_clip(tmp_path: Path) -> None:
    walk, jump = read_motions(_npz(tmp_path / "m.npz", licence=np.array("free")), fps=30)
    assert walk.motion[:, 0].tolist() == [0, 4, 8, 12, 16]
    assert jump.motion[:, 0].tolist() == [17, 21, 25, 29, 33, 37]
    assert (walk.name, jump.licence, walk.motion.dtype) == ("walk", "free", np.float32)


def test_frames_marked_invalid_may_hold_nan(tmp_path: Path) -> None:
    motion, valid = _rows(40), np.ones(40, bool)
    motion[4, 9], valid[4] = np.nan, False
    walk, _ = read_motions(_npz(tmp_path / "m.npz", motion=motion, valid=valid))
    assert walk.valid is not None and walk.valid.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("motion", {"motion": np.zeros((40, 321), np.float32)}),
        ("motion", {"motion": np.zeros((40, 322), int)}),
        ("motion", {"motion": np.full((40, 322), np.nan)}),
        ("motion", {"motion": None}),
        ("clip_start", {"clip_start": np.array([0, 30, 17])}),
        ("clip_start", {"clip_start": np.array([0, 17, 41])}),
        ("clip_start", {"clip_start": np.array([0, 40])}),
        ("clip_start", {"clip_start": np.array([0, 0, 40])}),
        ("clip_start", {"clip_start": np.array([0.0, 17.0, 40.0])}),
        ("clip_name", {"clip_name": np.array(["same", "same"])}),
        ("clip_name", {"clip_name": None}),
        ("fps", {"fps": np.float64(12)}),
        ("fps", {"fps": np.float64(1e-300)}),
        ("fps", {"fps": np.float64(np.nan)}),
        ("fps", {"fps": np.array([30.0, 30.0])}),
        ("valid", {"valid": np.ones(39, bool)}),
        ("valid", {"valid": np.ones(40)}),
    ],
)
def test_malformed_npz_is_refused_by_field(tmp_path: Path, field: str, changes: dict[str, Any]) -> None:
    file = _npz(tmp_path / "m.npz", **changes)
    with pytest.raises(InputError) as caught:
        read_motions(file)
    assert (caught.value.file, caught.value.field) == (file, field)
    assert caught.value.remedy


def test_object_arrays_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "clip.npy", np.array([{"pose": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="object arrays"):
        read_motions(tmp_path / "folder")
    with pytest.raises(InputError, match="object arrays"):
        read_motions(_npz(tmp_path / "m.npz", clip_name=np.array(["walk", "jump"], object)))
    (tmp_path / "folder" / "clip.npy").write_bytes(pickle.dumps({"pose": 1}))
    with pytest.raises(InputError, match="plain arrays"):
        read_motions(tmp_path / "folder")


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    file = _npz(tmp_path / "m.npz")
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match="plain arrays"):
        read_motions(file)


def test_empty_folder_missing_path_and_wrong_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.npy files"):
        read_motions(tmp_path)
    with pytest.raises(InputError, match="no motions here"):
        read_motions(tmp_path / "absent.npz")
    np.save(tmp_path / "clip.npy", np.zeros((5, 263), np.float32))
    with pytest.raises(InputError, match="322 columns"):
        read_motions(tmp_path)


def test_shipped_mocap_reads_and_states_its_terms() -> None:
    clips = read_motions(SHIPPED)
    assert sum(len(clip.motion) for clip in clips) > 10_000
    assert SHIPPED.stat().st_size < 1.5e6
    assert all("CMU" in clip.source and "acknowledgement" in clip.licence for clip in clips)


def test_two_sources_with_one_clip_name_are_refused_with_both_named(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "walk.npy", _rows(12))
    with pytest.raises(InputError, match="from one and from two") as caught:
        gather_motions(PosesConfig(motions=(tmp_path / "one", tmp_path / "two")))
    assert (caught.value.field, caught.value.value) == ("poses.motions", "walk")


def test_names_with_dots_give_sequence_ids_without(tmp_path: Path) -> None:
    for name in ("a.b.c", "a-b-c"):
        np.save(tmp_path / f"{name}.npy", _rows(12))
    clips = read_motions(tmp_path)
    assert [clip.name for clip in clips] == ["a-b-c", "a.b.c"]
    ids = {name_sequence(clip.name, 3) for clip in clips}
    assert len(ids) == 2 and not any("." in name for name in ids)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    np.save(os.fsdecode(os.fsencode(tmp_path / "clips") + b"/\xff.npy"), _rows(12))
    with pytest.raises(InputError, match="no text"):
        read_motions(tmp_path / "clips")
    for name in ("a\nb", "x" * 600):
        with pytest.raises(InputError, match="no text") as caught:
            read_motions(_npz(tmp_path / "m.npz", clip_name=np.array([name, "jump"])))
        assert len(str(caught.value).splitlines()) == 1


def test_absurd_frames_of_an_archive_are_refused_unless_marked(tmp_path: Path) -> None:
    motion, valid = _rows(40).astype(np.float64), np.ones(40, bool)
    motion[4, 9] = 1e30
    with pytest.raises(InputError, match="not in range"):
        read_motions(_npz(tmp_path / "m.npz", motion=motion, valid=None))
    valid[4] = False
    walk, _ = read_motions(_npz(tmp_path / "m.npz", motion=motion, valid=valid))
    assert walk.valid is not None and not walk.valid[1]


def test_a_folder_of_other_files_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").touch()
    with pytest.raises(InputError, match="pickles have to be exported") as caught:
        read_motions(tmp_path)
    assert caught.value.value == {".pkl": 1}
