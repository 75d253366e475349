"""Plain numeric arrays from ``.npy`` and ``.npz`` files; nothing is ever unpickled."""

from __future__ import annotations

import io
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.errors import InputError

UNREADABLE: Final = (
    OSError, EOFError, ValueError, TypeError, LookupError, OverflowError, MemoryError, RuntimeError, SyntaxError,
    struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip
"""What zipfile, its decompressors and NumPy's header parser raise for damaged ``.npy`` and ``.npz`` files."""


def load_array(file: Path) -> NDArray[Any]:
    """The array of an ``.npy``. Raises InputError for anything else, truncated files and object arrays included."""
    try:
        loaded = np.load(file, allow_pickle=False)
    except UNREADABLE as error:
        raise _refusal(file, error) from error
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise _refusal(file, ValueError("an archive of arrays, not one array"))
    return loaded


def field_names(file: Path) -> set[str]:
    """The names of an ``.npz``'s arrays, none of which is read."""
    try:
        loaded = np.load(file, allow_pickle=False)
    except UNREADABLE as error:
        raise _refusal(file, error) from error
    if isinstance(loaded, np.ndarray):
        raise _refusal(file, ValueError("one array, not an archive of arrays"))
    with loaded:
        return set(loaded.files)


def load_fields(file: Path, names: Iterable[str], content: bytes | None = None) -> dict[str, NDArray[Any]]:
    """Those of ``names`` that the ``.npz`` holds. Others are not touched, so they may be of any kind.

    ``content`` is that of the file, where it was read already. Raises InputError for what is no whole ``.npz`` of plain
    arrays, whatever is damaged in it.
    """
    fields: dict[str, NDArray[Any]] = {}
    field = "arrays"
    try:
        loaded = np.load(file if content is None else io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("one array, not an archive of arrays")  # noqa: TRY004 - one message for all
        with loaded as archive:
            for field in names:
                if field in archive.files:
                    fields[field] = np.asarray(archive[field])
    except UNREADABLE as error:
        raise _refusal(file, error, field) from error
    return fields


def check_columns(fields: dict[str, NDArray[Any]], name: str, columns: tuple[int, ...], file: Path) -> NDArray[Any]:
    """The floating-point field (T, one of ``columns``) with at least one frame; InputError names what it is instead."""
    value = fields.get(name)
    if value is None or value.ndim != 2 or value.shape[1] not in columns or value.dtype.kind != "f" or not len(value):
        raise InputError(
            f"{name} must be floating point, shape (frames, {' or '.join(map(str, columns))}), at least one frame",
            file=file,
            field=name,
            value=None if value is None else f"{value.dtype} {value.shape}",
            remedy="export the sequence again; see read_motions for the layouts",
        )
    return value


def check_length(fields: dict[str, NDArray[Any]], name: str, length: int, file: Path) -> None:
    """Refuse a field whose frames are not those of the poses."""
    if len(fields[name]) != length:
        raise InputError(
            f"{name} has other frames than the poses, which have {length}",
            file=file,
            field=name,
            value=len(fields[name]),
            remedy="export the sequence again",
        )


def positive_number(value: NDArray[Any], field: str, file: Path) -> float:
    """One finite number above zero, e.g. a frame rate."""
    if value.dtype.kind not in "iuf" or value.size != 1 or not np.isfinite(value).all() or value.item() <= 0:
        raise InputError(
            f"{field} must be one positive number",
            file=file,
            field=field,
            value=value.tolist() if value.dtype.kind != "O" else "object array",
            remedy="store it as one number" if "fps" not in field else "store the recording's frame rate",
        )
    return float(value.item())


def _refusal(file: Path, error: Exception, field: str = "arrays") -> InputError:
    return InputError(
        f"cannot be read as plain arrays ({str(error)[:200] or type(error).__name__})",
        file=file,
        field=field,
        remedy="save numeric arrays; object arrays and pickles are refused, truncated files must be copied again",
    )
