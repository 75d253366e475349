"""Arrays of any origin: what is whole and plain is read as NumPy reads it, everything else is refused unread."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import field_names, load_array, load_fields, refuse_nonfinite


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(3.5), np.zeros((0, 4)),
        np.array(["a", "bc"]), np.array([True]), np.arange(3, dtype=">i4"), np.array([], "U0"),
    ],
)  # fmt: skip
def test_plain_arrays_are_what_numpy_reads(tmp_path: Path, value: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", value)
    np.savez_compressed(tmp_path / "a.npz", first=value, second=value)
    for read in (load_array(tmp_path / "a.npy"), load_fields(tmp_path / "a.npz")["second"]):
        assert read.dtype == value.dtype and read.shape == value.shape and (read == value).all()
        assert read.flags.writeable
    assert field_names(tmp_path / "a.npz") == {"first", "second"}


def test_members_that_were_not_asked_for_are_not_touched(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", plain=np.zeros(3), objects=np.array([{"a": 1}], object))
    assert set(load_fields(tmp_path / "a.npz", ["plain", "absent"])) == {"plain"}
    with pytest.raises(InputError, match="unpickled") as caught:
        load_fields(tmp_path / "a.npz")
    assert caught.value.field == "objects"


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    """64 MB of zeros are 64 kB compressed; nothing of that size is allocated."""
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(2**23))
    with pytest.raises(InputError, match="unpacks to"):
        load_fields(tmp_path / "a.npz", max_bytes=2**20)
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(2**16), b=np.zeros(2**16))
    with pytest.raises(InputError, match="unpacks to") as caught:
        load_fields(tmp_path / "b.npz", max_bytes=2**19 + 2**18)
    assert caught.value.field == "b", "the limit is of all arrays together"


def npy(header: bytes, length: int | None = None) -> bytes:
    """A file of the format's version 2, whose header may be as long as it likes."""
    return b"\x93NUMPY\x02\x00" + (len(header) if length is None else length).to_bytes(4, "little") + header


def test_a_long_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A megabyte of a member whose header announces a gigabyte of blanks took three gigabytes."""
    (tmp_path / "a.npy").write_bytes(npy(b" " * 64, 2**30))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    for load in (lambda: load_array(tmp_path / "a.npy"), lambda: load_fields(tmp_path / "a.npz")):
        with pytest.raises(InputError, match="a header of 1073741824 bytes"):
            load()


@pytest.mark.parametrize("kind", ["|S0", "<U0", "|V0"])
def test_numbers_of_no_bytes_are_counted(tmp_path: Path, kind: str) -> None:
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({2**40},), }}\n".encode()
    (tmp_path / "a.npy").write_bytes(npy(head))
    with pytest.raises(InputError, match="unpacks to"):
        load_array(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", ["(-1,)", "(4611686018427387904, 4)", "(2.5,)", "('a',)", "(True,)"])
def test_impossible_shapes_are_refused(tmp_path: Path, shape: str) -> None:
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0" * 64)
    with pytest.raises(InputError):
        load_array(tmp_path / "a.npy")


def test_an_archive_that_lies_about_its_length(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(8))
    for data in (stream.getvalue()[:-8], stream.getvalue() + b"more"):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", data)
        with pytest.raises(InputError, match="announced"):
            load_fields(tmp_path / "a.npz")


def test_two_members_of_one_name_and_kinds_in_each_others_place(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", stream.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", stream.getvalue())
    with pytest.raises(InputError, match="one name"):
        load_fields(tmp_path / "a.npz", ["b"])
    np.save(tmp_path / "b.npy", np.zeros(2))
    np.savez(tmp_path / "c.npz", a=np.zeros(2))
    with pytest.raises(InputError, match="one array"):
        load_fields(tmp_path / "b.npy")
    with pytest.raises(InputError, match="archive"):
        load_array(tmp_path / "c.npz")


def test_numbers_that_are_not_finite_are_counted_and_placed() -> None:
    value = np.zeros((4, 3))
    value[2, 1] = np.nan
    with pytest.raises(InputError, match=r"1 of 12 numbers.*\(2, 1\)"):
        refuse_nonfinite(value, Path("a.npz"), "joints", "copy it again")
    refuse_nonfinite(np.array(["nan"]), Path("a.npz"), "names", "none")
