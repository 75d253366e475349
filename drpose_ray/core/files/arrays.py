"""Plain numeric arrays from ``.npy`` and ``.npz`` files of any origin: nothing is unpickled, and nothing is read before
its header has said that it fits.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_limited, refusing

MAX_BYTES: Final = 2**31
"""Of a file, and of an array once it is unpacked; a day of motion at 120 frames a second takes less."""
_MAX_MEMBERS: Final = 10_000
_MAX_HEADER_BYTES: Final = 10_000
"""Of an array; NumPy's own limit."""
_REMEDY: Final = "save numeric arrays; object arrays and pickles are refused, truncated files must be copied again"


def load_array(file: Path, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """The array of an ``.npy``.

    Raises:
        InputError: it is anything else: cut short, of objects, an archive, or larger than ``max_bytes``.
        OSError: the disk failed.
    """
    data = read_limited(file, max_bytes, "bytes", "arrays")
    with refusing(file, "arrays", "cannot be read as plain arrays", _REMEDY):
        if zipfile.is_zipfile(io.BytesIO(data)) and not data.startswith(b"\x93NUMPY"):
            raise ValueError("an archive of arrays, not one array")
        return decode_array(data, max_bytes)


def decode_array(data: bytes, max_bytes: int) -> NDArray[Any]:
    """The array of an ``.npy``'s bytes. Raises one of ``core.files.reading.UNREADABLE`` for anything else."""
    return _read_array(io.BytesIO(data), max_bytes)


def field_names(file: Path, max_bytes: int = MAX_BYTES) -> set[str]:
    """The names of an ``.npz``'s arrays, none of which is read. Raises as ``load_fields``."""
    with (
        refusing(file, "arrays", "cannot be read as plain arrays", _REMEDY),
        _archive(file, None, max_bytes) as archive,
    ):
        return {_field(info) for info in archive.infolist()}


def load_fields(
    file: Path, names: Iterable[str] | None = None, content: bytes | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, NDArray[Any]]:
    """Those of ``names`` that the ``.npz`` holds (all that it holds, without ``names``). Others are not touched, so
    they may be of any kind.

    Args:
        content: That of the file, where it was read already.
        max_bytes: Of the file, and of the named arrays together once they are unpacked.

    Raises:
        InputError: what is there is no whole ``.npz`` of plain arrays within ``max_bytes``, whatever is damaged in it.
        OSError: the disk failed.
    """
    fields: dict[str, NDArray[Any]] = {}
    left = max_bytes
    with (
        refusing(file, "arrays", "cannot be read as plain arrays", _REMEDY),
        _archive(file, content, max_bytes) as archive,
    ):
        members = {_field(info): info for info in archive.infolist()}
        for field in members if names is None else names:
            if field not in members:
                continue
            with (
                refusing(file, field, "cannot be read as plain arrays", _REMEDY),
                archive.open(members[field]) as stream,
            ):
                fields[field] = _read_array(stream, left)
            left -= fields[field].nbytes
    return fields


@contextmanager
def _archive(file: Path, content: bytes | None, max_bytes: int) -> Iterator[zipfile.ZipFile]:
    data = read_limited(file, max_bytes, "bytes", "arrays") if content is None else content
    if data.startswith(b"\x93NUMPY"):
        raise ValueError("one array, not an archive of arrays")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [info.filename for info in archive.infolist()]
        if len(names) > _MAX_MEMBERS:
            raise ValueError(f"{len(names)} members")
        if len(set(names)) != len(names):
            raise ValueError("two members have one name")
        yield archive


def _field(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _read_array(stream: IO[bytes], max_bytes: int) -> NDArray[Any]:
    """The array of an open ``.npy``; its header is checked before a byte of it is unpacked or allocated."""
    version = npy.read_magic(stream)
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise ValueError(f"version {version} of the format")
    # (NumPy reads headers of version 3 as those of 2, but for the encoding of field names, which we refuse.)
    shape, fortran_order, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(
        _header(stream, version)
    )
    if dtype.hasobject:
        raise ValueError("an array of objects, which would have to be unpickled")
    if dtype.names is not None or dtype.subdtype is not None:
        raise ValueError(f"an array of records ({dtype})")
    if len(shape) > 32 or any(not 0 <= side < 2**62 for side in shape):
        raise ValueError(f"shape {shape}")
    size = math.prod(shape) * dtype.itemsize
    if max(size, math.prod(shape)) > max_bytes:  # NumPy makes room for a letter of each text of none
        raise ValueError(f"it unpacks to {max(size, math.prod(shape))} bytes, more than {max_bytes}")
    data = stream.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{size} bytes are announced, {'more' if len(data) > size else len(data)} are there")
    flat = np.frombuffer(data, dtype) if dtype.itemsize else np.empty(math.prod(shape), dtype)
    return flat.reshape(shape[::-1]).T.copy() if fortran_order else flat.reshape(shape).copy()


def _header(stream: IO[bytes], version: tuple[int, int]) -> IO[bytes]:
    """The header of an open ``.npy`` with its length before it. NumPy would read as much as it announces, up to 4 GB,
    before it says that this is too much.
    """
    length = stream.read(2 if version == (1, 0) else 4)
    size = int.from_bytes(length, "little")
    if size > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {size} bytes")
    return io.BytesIO(length + stream.read(size))


def refuse_nonfinite(value: NDArray[Any], file: Path, field: str, remedy: str) -> None:
    """InputError if a floating-point array holds NaN or infinity; it says how many and where the first is."""
    if value.dtype.kind not in "fc":
        return
    bad = ~np.isfinite(value)
    if bad.any():
        first = tuple(int(place) for place in np.argwhere(bad)[0])
        raise InputError(
            f"{int(bad.sum())} of {bad.size} numbers are not finite", file=file, field=field,
            value=f"first at {first}", remedy=remedy,
        )  # fmt: skip
