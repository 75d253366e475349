"""Files that damage, names or permissions keep from being read; and disks that fail, which say nothing of a file."""

from __future__ import annotations

import errno
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import field_names, load_fields
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.scan import ScanFiles
from tests.scans.spoilt import refusal

LONG = "x" * 300


def test_a_damaged_compressed_fit_is_named_with_its_field_and_cause(files: ScanFiles, body: Body) -> None:
    np.savez_compressed(files.fit, **np.load(files.fit))
    data = bytearray(files.fit.read_bytes())
    with zipfile.ZipFile(files.fit) as archive:
        start = archive.getinfo("body_pose.npy").header_offset + 30 + len("body_pose.npy") + 20
    data[start : start + 8] = b"\xff" * 8  # no deflated block begins so
    files.fit.write_bytes(data)
    error = refusal(files, body)
    assert (error.file, error.field) == (files.fit, "body_pose") and isinstance(error.__cause__, zlib.error)
    with pytest.raises(InputError):
        load_fields(files.fit, ["body_pose"])


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (63,), ", b"{'descr': '<f8'\n (", b"{1: 2, 'a': 3}",
        b"{'descr': [()], 'fortran_order': False, 'shape': (63,), }", b"[" * 5000,
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**80,
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 2**50,
    ],
)  # fmt: skip
def test_headers_of_arrays_that_numpy_cannot_parse(files: ScanFiles, body: Body, header: bytes) -> None:
    with zipfile.ZipFile(files.fit, "w") as archive:
        length = len(header).to_bytes(2, "little")
        archive.writestr("body_pose.npy", b"\x93NUMPY\x01\x00" + length + header)
    assert refusal(files, body).field == "body_pose"


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_that_are_damaged(files: ScanFiles, body: Body, method: int) -> None:
    stream = io.BytesIO()
    np.save(stream, np.linspace(0, 1, 63))
    with zipfile.ZipFile(files.fit, "w", method) as archive:
        archive.writestr("body_pose.npy", stream.getvalue())
    data = bytearray(files.fit.read_bytes())
    data[60:200] = bytes(range(140))
    files.fit.write_bytes(data)
    error = refusal(files, body)
    assert error.field == "body_pose" and isinstance(error.__cause__, lzma.LZMAError | OSError | EOFError)


def test_an_array_with_an_archive_behind_it_is_no_archive(files: ScanFiles, body: Body) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    files.fit.write_bytes(stream.getvalue() + files.fit.read_bytes())
    assert "one array" in refusal(files, body).problem
    with pytest.raises(InputError, match="one array"):
        field_names(files.fit)


def textured_obj(folder: Path, library: str, image: str) -> Path:
    folder.mkdir(exist_ok=True)
    mesh = folder / "a.obj"
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
    mesh.write_text(f"mtllib {library}\n{corners}")
    (folder / "a.mtl").write_text(f"newmtl a\nmap_Kd {image}\n")
    return mesh


@pytest.mark.parametrize("name", [LONG, f"{LONG}.png", "a\0b.png", "..", "a.mtl/b.png", "."])
def test_an_obj_may_name_what_no_file_can_be_called(files: ScanFiles, body: Body, tmp_path: Path, name: str) -> None:
    mesh = textured_obj(tmp_path / "image", "a.mtl", name)
    error = refusal_of_mesh(mesh)
    assert error.file is not None and Path(error.file).parent == mesh.parent and "missing" in error.problem
    mesh = textured_obj(tmp_path / "library", name, "image.png")
    error = refusal_of_mesh(mesh)
    assert (error.file, error.field) == (mesh, "mtllib") and "missing" in error.problem
    with pytest.raises(InputError, match="missing"):
        read_mesh(mesh, mesh.with_name(LONG), ScanChecks())
    for wrong in (replace(files, fit=files.fit.with_name(f"{LONG}.npz")), replace(files, fit=files.fit / "a.json")):
        with pytest.raises(InputError) as caught:
            load_scan(wrong, body)
        assert (caught.value.file, caught.value.field) == (wrong.fit, "fit")


def refusal_of_mesh(mesh: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_mesh(mesh, None, ScanChecks())
    assert caught.value.field and caught.value.remedy
    return caught.value


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let every look at, listing of and reading of a file whose path ends so fail with that error number."""

    def fail(ending: str, number: int) -> None:
        for name in ("stat", "iterdir", "read_bytes"):
            original = getattr(Path, name)

            def failed(path: Path, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
                if path.as_posix().endswith(ending):
                    raise OSError(number, os.strerror(number), str(path))
                return _original(path, *args, **kwargs)

            monkeypatch.setattr(Path, name, failed)

    return fail


@pytest.mark.parametrize("suffix", [".npz", ".json", ".pkl", ".glb"])
def test_permissions_are_refusals_and_a_failing_disk_is_for_another_attempt(
    files: ScanFiles, body: Body, failing: Callable[[str, int], None], suffix: str
) -> None:
    if suffix != ".glb":
        files = replace(files, fit=files.fit.rename(files.fit.with_suffix(suffix)))
    failing(suffix, errno.EACCES)
    error = refusal(files, body)
    assert "Permission denied" in error.problem and isinstance(error.__cause__, OSError)
    failing(suffix, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        load_scan(files, body)


def test_a_folder_that_may_not_be_listed(tmp_path: Path, failing: Callable[[str, int], None]) -> None:
    mesh = textured_obj(tmp_path / "closed", "none.mtl", "image.png")
    failing("/closed", errno.EACCES)
    assert refusal_of_mesh(mesh).field == "mtllib"


@pytest.mark.parametrize("names", ["green blue alpha", "red green alpha", "red blue alpha"])
def test_three_color_properties_that_are_not_red_green_and_blue(tmp_path: Path, names: str) -> None:
    channels = "".join(f"property uchar {name}\n" for name in names.split())
    head = f"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n{channels}"
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    mesh = tmp_path / "a.ply"
    mesh.write_text(head + "0 0 0 1 2 3\n1 0 0 1 2 3\n0 1 0 1 2 3\n3 0 1 2\n")
    error = refusal_of_mesh(mesh)
    (missing,) = {"red", "green", "blue"} - set(names.split())
    assert error.field == "colours" and error.value == f"without {missing}"
