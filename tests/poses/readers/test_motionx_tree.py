"""Motion-X trees: stable names, the subset, terms; and AIST translations that are converted once or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import TRANSLATION
from drpose_ray.poses.dance import generate_dance
from drpose_ray.poses.motionx import read_motions
from drpose_ray.poses.readers.aist_translation import MARKER
from drpose_ray.seeding import stream

AIST = "aist/subset_0000"
DANCES = (f"{AIST}/Dance_Pop_Wave", f"{AIST}/Dance_Pop_Wave_clip_2", "aist/subset_0004/Dance_Krump")


def _rows(num: int = 30, metres: float = 1.0, still: bool = False) -> np.ndarray:
    rows = generate_dance(stream(1, "tree"), num).motion.copy()
    rows[:, TRANSLATION] = 0.0 if still else np.linspace((0, 0.9, 0), (metres, 0.95, 0.5 * metres), num)
    return rows


def _tree(folder: Path, scale: float = 94.0, **clips: np.ndarray) -> Path:
    """A released tree; AIST translations are ``scale`` times metres with z turned round."""
    root = folder / "motion_data/smplx_322"
    stored = {name: _rows() * 1 for name in DANCES} | {"kungfu/a.b/kick": _rows()} | clips
    for name, rows in stored.items():
        kept = rows.copy()
        if name.startswith("aist") and name not in clips:
            kept[:, TRANSLATION] *= (scale, scale, -scale if scale > 1 else scale)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / f"{name}.npy", kept)
    face = folder / "face_motion_data/smplx_322_face.npy"
    face.parent.mkdir()
    np.save(face, np.zeros((5, 50)))
    return root


@pytest.mark.parametrize("below", ["", "motion_data", "motion_data/smplx_322"])
def test_names_sources_and_terms_of_a_released_tree(tmp_path: Path, below: str) -> None:
    _tree(tmp_path)
    clips = read_motions(tmp_path / below)
    assert [clip.name for clip in clips] == [*sorted(DANCES), "kungfu/a.b/kick"]
    assert {clip.source for clip in clips} == {
        "Motion-X aist (translation converted on reading)",
        "Motion-X kungfu",
    }
    assert all("non-commercial" in clip.licence for clip in clips)


def test_a_subset_keeps_the_trees_names_so_that_its_splits_are_the_same(tmp_path: Path) -> None:
    root = _tree(tmp_path)
    assert [clip.name for clip in read_motions(root / "aist/subset_0004", licence="mine")] == [DANCES[2]]
    assert read_motions(root / "aist", licence="mine")[0].licence == "mine"


def test_the_aist_subset_is_known_in_a_tree_of_another_name(tmp_path: Path) -> None:
    _tree(tmp_path / "release").rename(tmp_path / "motions")
    clips = read_motions(tmp_path / "motions")
    assert [clip.source for clip in clips] == [*["Motion-X aist (translation converted on reading)"] * 3, "motions"]
    assert [clip.licence == "unstated" for clip in clips] == [False, False, False, True]


def test_raw_translations_become_metres_and_converted_ones_stay(tmp_path: Path) -> None:
    for folder, scale, note in (("raw", 94.0, "converted on reading"), ("done", 1.0, "as stored")):
        for clip in read_motions(_tree(tmp_path / folder, scale) / "aist"):
            np.testing.assert_allclose(clip.motion[:, TRANSLATION], _rows()[:, TRANSLATION], atol=1e-5)
            assert note in clip.source


def test_reading_again_what_was_read_does_not_convert_again(tmp_path: Path) -> None:
    once = read_motions(_tree(tmp_path / "raw") / "aist")
    for clip in once:
        file = tmp_path / "again/aist" / f"{Path(clip.name).name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, clip.motion)
    for clip in read_motions(tmp_path / "again/aist"):
        assert "as stored" in clip.source
        np.testing.assert_array_equal(clip.motion[:, TRANSLATION], once[0].motion[:, TRANSLATION])


@pytest.mark.parametrize(
    ("scale", "setting", "marked", "problem"),
    [
        (1.0, "raw", False, "metres already"),
        (94.0, "metres", False, "span too much"),
        (94.0, "auto", True, "span too much"),
        (1.0, "raw", True, "says converted"),
        (1 / 94.0, "auto", False, "applied twice"),
        (1 / 94.0, "metres", False, "applied twice"),
    ],
)
def test_what_contradicts_the_spans_is_refused(
    tmp_path: Path, scale: float, setting: str, marked: bool, problem: str
) -> None:
    root = _tree(tmp_path, scale)
    if marked:
        (root / "aist" / MARKER).touch()
    with pytest.raises(InputError, match=problem) as caught:
        read_motions(root, aist_translation=setting)  # type: ignore[arg-type]
    assert caught.value.field == "poses.aist_translation"


def test_a_subset_converted_in_part_is_refused_until_said_to_be_alike(tmp_path: Path) -> None:
    root = _tree(tmp_path, **{f"{AIST}/Dance_House_still": _rows(still=True)})
    with pytest.raises(InputError, match=r"3 of 4 AIST clips look raw.*Dance_House_still"):
        read_motions(root)
    assert len(read_motions(root, aist_translation="raw")) == 5


def test_marker_decides_without_looking_at_single_clips(tmp_path: Path) -> None:
    root = _tree(tmp_path, 1.0)
    (root / "aist" / MARKER).touch()
    assert all("as stored" in clip.source for clip in read_motions(root / "aist"))


def test_nan_frames_are_masked_and_nan_clips_refused(tmp_path: Path) -> None:
    rows = _rows()
    rows[3, 100] = np.nan
    np.save(tmp_path / "a.npy", rows)
    valid = read_motions(tmp_path)[0].valid
    assert valid is not None and np.flatnonzero(~valid).tolist() == [3]
    np.save(tmp_path / "a.npy", np.full_like(rows, np.nan))
    with pytest.raises(InputError, match="none of 30 frames is finite"):
        read_motions(tmp_path)


def test_a_folder_of_two_kinds_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", _rows())
    np.savez(tmp_path / "b.npz", poses=np.zeros((3, 156)))
    with pytest.raises(InputError, match="several kinds") as caught:
        read_motions(tmp_path)
    assert caught.value.value == {".npy": 1, ".npz": 1}
