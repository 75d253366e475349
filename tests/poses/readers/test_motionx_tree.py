"""Motion-X trees: stable names, the subset, terms; and AIST translations that are converted once or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.motion_row import TRANSLATION
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.readers.aist.translation import MARKER
from drpose_ray.poses.readers.motions import read_motions

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


def _official_tree(folder: Path) -> Path:
    """As downloaded: the face folder sorts first and has a smplx_322 too."""
    for part, rows in (("motion_data", _rows()), ("face_motion_data", np.zeros((12, 153), np.float32))):
        file = folder / part / "smplx_322/humanml/000001.npy"
        file.parent.mkdir(parents=True)
        np.save(file, rows)
    return folder


def test_the_official_tree_is_its_motions_and_not_its_faces(tmp_path: Path) -> None:
    (clip,) = read_motions(_official_tree(tmp_path))
    assert (clip.name, clip.source) == ("humanml/000001", "Motion-X humanml")
    for folder in ("face_motion_data", "face_motion_data/smplx_322/humanml"):
        with pytest.raises(InputError, match="no motions") as caught:
            read_motions(tmp_path / folder)
        assert "motion_data/smplx_322" in caught.value.remedy


def test_a_second_release_is_read_too_unless_it_has_the_same_clips(tmp_path: Path) -> None:
    _official_tree(tmp_path / "one")
    other = tmp_path / "two/motion_data/smplx_322/kungfu"
    other.mkdir(parents=True)
    np.save(other / "kick.npy", _rows())
    assert [clip.name for clip in read_motions(tmp_path)] == ["humanml/000001", "kungfu/kick"]
    _official_tree(tmp_path / "three")
    with pytest.raises(InputError, match="in two releases") as caught:
        read_motions(tmp_path)
    assert "humanml/000001" in str(caught.value.value) and str(tmp_path / "three") in str(caught.value)


def test_clips_beside_a_release_are_not_left_out_silently(tmp_path: Path) -> None:
    _official_tree(tmp_path)
    np.save(tmp_path / "mine.npy", _rows())
    with pytest.raises(InputError, match=r"1 \.npy files lie beside smplx_322") as caught:
        read_motions(tmp_path)
    assert caught.value.file == tmp_path / "mine.npy"


def test_linked_subsets_are_followed_and_hidden_files_are_no_data(tmp_path: Path) -> None:
    stored = tmp_path / "elsewhere"
    stored.mkdir()
    np.save(stored / "kick.npy", _rows())
    (stored / "._kick.npy").write_bytes(b"\x00\x05\x16\x07")
    root = tmp_path / "release/motion_data/smplx_322"
    root.mkdir(parents=True)
    (root / "kungfu").symlink_to(stored)
    (root / "loop").symlink_to(root)
    assert [clip.name for clip in read_motions(tmp_path / "release")] == ["kungfu/kick"]
    assert read_motions(root / "kungfu")[0].name == "kungfu/kick"


def test_a_single_file_has_the_name_that_its_tree_gives_it(tmp_path: Path) -> None:
    (file,) = (_official_tree(tmp_path) / "motion_data").rglob("*.npy")
    assert [clip.name for clip in read_motions(file)] == ["humanml/000001"]


def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match="Git LFS"):
        read_motions(tmp_path)


def test_absurd_numbers_are_masked_and_a_clip_of_nothing_else_refused(tmp_path: Path) -> None:
    rows = _rows()
    rows[3, 0], rows[5, TRANSLATION.start], rows[7, 320] = 1e30, -1e5, 1e9
    np.save(tmp_path / "a.npy", rows)
    valid = read_motions(tmp_path)[0].valid
    assert valid is not None and np.flatnonzero(~valid).tolist() == [3, 5, 7]
    rows[:, 9] = 1e20
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(InputError, match="no angle in radians"):
        read_motions(tmp_path)
