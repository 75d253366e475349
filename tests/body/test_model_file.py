"""A body model is read as plain numbers that fit together, and no part of its file is run."""

from __future__ import annotations

import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.model_file import read_model_file
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.poses.procedural.standing import draw_moderate


@pytest.fixture(scope="module")
def members() -> dict[str, Any]:
    with np.load(ensure_body(BODY_CACHE)) as fields:
        return dict(fields)


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)

    def __init__(self, path: Path) -> None:
        self.path = str(path)


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        Body(path)
    assert caught.value.file == path and caught.value.field and "\n" not in str(caught.value)
    return caught.value


def objects(path: Path) -> np.ndarray:
    return np.array([Exploit(path)], object)


@pytest.mark.parametrize("name", ["v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table",
                                  "hands_componentsl", "hands_meanr"])  # fmt: skip
def test_an_array_of_objects_in_any_member_that_is_read_is_refused_and_not_run(
    members: dict[str, Any], tmp_path: Path, name: str
) -> None:
    marker = tmp_path / "run"
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(path, **{**members, name: objects(marker)})
    error = refusal(path)
    assert error.field == name and "body model" in error.problem and not marker.exists()


def test_objects_beside_the_model_as_in_the_published_file_are_not_touched(
    members: dict[str, Any], tmp_path: Path
) -> None:
    """The published SMPLX_NEUTRAL.npz also has other types and counts; what is posed is the same."""
    marker, path = tmp_path / "run", tmp_path / "SMPLX_NEUTRAL.npz"
    beside = {name: objects(marker) for name in ("joint2num", "part2num", "lmk_faces_idx", "dynamic_lmk_bary_coords")}
    shapes = np.zeros((*members["shapedirs"].shape[:2], 400), np.float64)
    shapes[..., :10] = members["shapedirs"][..., :10]
    tree = members["kintree_table"].astype(np.uint32)
    tree[0, 0] = 2**32 - 1
    np.savez(
        path, **{**members, **beside, "shapedirs": shapes, "kintree_table": tree, "f": members["f"].astype(np.uint32),
                 "v_template": members["v_template"].astype(np.float64), "allow_pickle": True},
    )  # fmt: skip
    row = draw_moderate(np.random.default_rng(0), 1)[0]
    row[312:] = 1
    body, free = Body(path), Body(ensure_body(BODY_CACHE))
    for ours, theirs in zip(body.pose(row), free.pose(row), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert body.sha256 == file_sha256(path) != free.sha256
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("content", ["pickle", "pickle in the archive", "archive behind a pickle", "two of a name"])
def test_pickles_in_other_places_are_not_run(members: dict[str, Any], tmp_path: Path, content: str) -> None:
    marker, path = tmp_path / "run", tmp_path / "SMPLX_NEUTRAL.npz"
    data = pickle.dumps(Exploit(marker))
    np.savez(path, **members)
    if content == "pickle":
        path.write_bytes(data)
        assert refusal(path.rename(path.with_suffix(".pkl")))
    elif content == "archive behind a pickle":
        path.write_bytes(data + path.read_bytes())
        Body(path)  # an archive is found by its end, and what comes before it is nobody's
    else:
        members = {name: value for name, value in members.items() if name != "weights"}
        np.savez(path, **members, **({} if content.startswith("pickle") else {"weights": objects(marker)}))
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("weights.npy", data)
        assert refusal(path)
    assert not marker.exists()


Change = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("f", lambda a: a + 1), ("f", lambda a: -a), ("f", lambda a: a[:0]), ("f", lambda a: a.astype(float)),
        ("f", lambda a: a[:, :2]), ("v_template", lambda a: a[:-1]), ("v_template", lambda a: a * np.nan),
        ("v_template", lambda a: a.astype(np.float64) * 1e300), ("shapedirs", lambda a: a[..., :9]),
        ("shapedirs", lambda a: a.astype(complex)), ("posedirs", lambda a: a[..., :207]),
        ("J_regressor", lambda a: a[:54]), ("J_regressor", lambda a: a.astype("S8")), ("weights", lambda a: a * 2),
        ("weights", lambda a: a - 1), ("kintree_table", lambda a: a[:, :24]), ("kintree_table", lambda a: a[:, ::-1]),
        ("hands_componentsr", lambda a: a[:12]), ("hands_meanl", lambda a: a[None]),
    ],
)  # fmt: skip
def test_members_that_do_not_fit_are_named(members: dict[str, Any], tmp_path: Path, name: str, change: Change) -> None:
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(path, **{**members, name: change(members[name])})
    assert name in {refusal(path).field, "v_template"}  # of other vertices than v_template has are the others, too


def test_missing_cut_damaged_and_other_files(tmp_path: Path) -> None:
    assert "not found" in refusal(tmp_path / "SMPLX_NEUTRAL.npz").problem
    whole = ensure_body(BODY_CACHE).read_bytes()
    damaged = bytearray(whole)
    damaged[200:2000] = bytes(1800)
    for name, content in {"cut": whole[: len(whole) // 2], "damaged": damaged, "text": b"text", "empty": b""}.items():
        path = tmp_path / f"SMPLX_{name}.npz"
        path.write_bytes(content)
        assert "not a body model" in refusal(path).problem
    np.savez(tmp_path / "SMPLX_few.npz", v_template=np.zeros((3, 3), np.float32))
    assert refusal(tmp_path / "SMPLX_few.npz").field == "f"
    os.mkfifo(tmp_path / "SMPLX_pipe.npz")
    assert refusal(tmp_path / "SMPLX_pipe.npz")
    assert refusal(Path("/dev/zero"))


def test_any_name_will_do_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    path = tmp_path / "my_model.npz"
    path.write_bytes(ensure_body(BODY_CACHE).read_bytes())
    assert read_model_file(path).as_smplx().v_template.shape == Body(path).rest_vertices.shape
    assert not list((tmp_path / "scratch").iterdir())
