"""Numbers that a file only claims: each is refused at once, in one line, by file and field."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from drpose_ray.core.errors import InputError
from drpose_ray.poses.readers import budget
from drpose_ray.poses.readers.motions import read_motions
from tests.poses.readers.bvh_files import draw_eulers, write_bvh


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 20


def refusal(file: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_motions(file)
    assert caught.value.file == file and len(str(caught.value).splitlines()) == 1
    return caught.value


HOSTILE_HIERARCHIES = {
    "CHANNELS -6": "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS -6 }",
    "CHANNELS 1e9": "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS 999999999 }",
    "CHANNELS of 5,000 digits": "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS " + "9" * 5000 + " }",
    "one channel twice": "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS 2 Xposition Xposition }",
    "a channel of an end": "HIERARCHY ROOT Hips { End Site { OFFSET 0 0 0 CHANNELS 1 Xposition } }",
    "too many joints": "HIERARCHY ROOT a { OFFSET 0 0 0 " + "".join(
        f"JOINT b{i} {{ OFFSET 0 0 0 }} " for i in range(budget.MAX_JOINTS)) + "}",
    "deep": "HIERARCHY ROOT a { " + "JOINT b { " * 500_000,
    "no braces": "HIERARCHY ROOT a " * 500_000,
    "a long name": f"HIERARCHY ROOT {'a' * 10_000} {{ OFFSET 0 0 0 }}",
    "an offset of 1e400": "HIERARCHY ROOT a { OFFSET 1e400 0 0 }",
    "nothing": "",
    "a brace": "HIERARCHY }",
    "an offset of nobody": "HIERARCHY OFFSET 0 0 0",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE_HIERARCHIES)
def test_hierarchies(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.bvh").write_text(HOSTILE_HIERARCHIES[kind] + "\nMOTION\nFrames: -1\nFrame Time: nan\n")
    assert refusal(tmp_path / "a.bvh").field == "HIERARCHY"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Frames: 8", "Frames: -1"),
        ("Frames: 8", "Frames: 999999999999"),
        ("Frames: 8", f"Frames: {'9' * 5000}"),
        ("Frames: 8", "Frames: 7"),
        ("Frame Time: 0.0083333", "Frame Time: nan"),
        ("Frame Time: 0.0083333", "Frame Time: 1e-300"),
        ("Frame Time: 0.0083333", "Frame Time: -0.1"),
        ("Frame Time: 0.0083333", "Frame Time: 1e300"),
        ("Frame Time: 0.0083333", "Frame Time: 0.0083333\nwords"),
    ],
)
def test_frames_and_their_time(tmp_path: Path, old: str, new: str) -> None:
    file = write_bvh(tmp_path / "a.bvh", draw_eulers(8))
    file.write_text(file.read_text().replace(old, new))
    assert refusal(file).field == "MOTION"


def test_more_rotations_than_fit_into_memory_are_refused_before_they_are_made(tmp_path: Path) -> None:
    joints = "".join(f"JOINT b{i} {{ OFFSET 0 0 0 }} " for i in range(900))
    frames = budget.MAX_JOINT_FRAMES // 900 + 1
    text = f"HIERARCHY\nROOT a {{ OFFSET 0 0 0 CHANNELS 1 Xposition {joints} }}\nMOTION\nFrames: {frames}\n"
    (tmp_path / "a.bvh").write_text(text + "Frame Time: 0.01\n" + "0\n" * frames)
    assert "901 joints are announced" in refusal(tmp_path / "a.bvh").problem


def test_numbers_beyond_any_measurement_cost_their_frame(tmp_path: Path) -> None:
    eulers = draw_eulers(9)
    eulers[4, 3, 0], eulers[6, 5, 1] = 1e30, np.inf
    (clip,) = read_motions(write_bvh(tmp_path / "a.bvh", eulers, seconds="0.0333333"))
    assert clip.valid is not None and np.flatnonzero(~clip.valid).tolist() == [4, 6]


@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".npy", ".pt"])
def test_devices_pipes_and_folders_are_not_waited_for(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        assert refusal(tmp_path / (name + suffix)).problem == "no motions here"
    with pytest.raises(InputError, match=r"no \.npy files"):
        read_motions(tmp_path)


def zeros_npz(path: Path, **shapes: tuple[int, ...]) -> Path:
    """An archive of zeros, megabytes at most, that unpacks to gigabytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, shape in shapes.items():
            header = io.BytesIO()
            npy.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                stream.write(header.getvalue())
                stream.write(bytes(2**20))
    return path


@pytest.mark.parametrize("fields", [
    {"motion": (3_000_000, 322), "clip_start": (2,), "clip_name": (1,), "fps": ()},
    {"poses": (2**28, 156), "trans": (2**28, 3), "mocap_framerate": ()},
    {"smpl_poses": (2**30, 72), "smpl_trans": (2**30, 3), "smpl_scaling": ()},
    {"body_pose": (2**30, 63), "global_orient": (2**30, 3), "transl": (2**30, 3)},
])  # fmt: skip
def test_archives_that_unpack_to_gigabytes(tmp_path: Path, fields: dict[str, tuple[int, ...]]) -> None:
    refusal(zeros_npz(tmp_path / "a.npz", **fields))


def test_a_clip_longer_than_any_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drpose_ray.poses.readers.arrays.MAX_FRAMES", 20)
    np.save(tmp_path / "a.npy", np.zeros((21, 322), np.float32))
    assert refusal(tmp_path / "a.npy").problem == "more than 20 frames"
    np.savez(tmp_path / "b.npz", poses=np.zeros((21, 72)), trans=np.zeros((21, 3)))
    assert refusal(tmp_path / "b.npz").field == "poses"


@pytest.mark.parametrize("rate", [0.0, -30.0, 1e-9, 1e9, np.inf, np.nan])
def test_rates_that_no_camera_has(tmp_path: Path, rate: float) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros((9, 72)), trans=np.zeros((9, 3)), fps=np.array(rate))
    assert refusal(tmp_path / "a.npz").field == "fps"


def test_a_small_tensor_that_claims_to_be_huge(tmp_path: Path) -> None:
    fields = {"body_pose": torch.zeros(1, 63).expand(2**33, 63), "global_orient": torch.zeros(5, 3),
              "transl": torch.zeros(5, 3)}  # fmt: skip
    torch.save(fields, tmp_path / "a.pt")
    assert refusal(tmp_path / "a.pt").field == "body_pose"


class Opened:
    """Its unpickling would make a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_nothing_in_a_pytorch_file_is_run(tmp_path: Path) -> None:
    torch.save({"body_pose": Opened(tmp_path / "ran")}, tmp_path / "a.pt")
    assert refusal(tmp_path / "a.pt").field == "tensors"
    torch.save({"body_pose": Opened(tmp_path / "ran")}, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    refusal(tmp_path / "b.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"x" * 1000])
@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".npy", ".pt"])
def test_files_of_anything(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    refusal(tmp_path / f"a{suffix}")
