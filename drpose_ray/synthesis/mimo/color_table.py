"""One colour per body vertex: how MIMO's pose guider tells the parts of a body apart (docs/facts/mimo.md, 2.4, 8).

The released weights know one table, an asset that is not published with the code. It is a required file; the free
twin's table has the same form, and images made with it and the released weights mean nothing.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_array, load_fields
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.reading import read_limited

ENTRY: Final = "smpl"
"""Name of the table in an ``.npz``, as in the published asset."""
_MAX_BYTES: Final = 64 * 2**20


def read_color_table(path: Path, num_vertices: int) -> NDArray[np.float64]:
    """Colours (V, 3) in [0, 1] of an ``.npy``, or of the entry ``smpl`` of an ``.npz``; alpha is dropped.

    Raises InputError if the file cannot be read without unpickling, or does not hold (V, 3) or (V, 4) of bytes or of
    numbers in [0, 1], V being ``num_vertices``.
    """
    try:
        table = (
            load_fields(path, (ENTRY,), max_bytes=_MAX_BYTES)[ENTRY]
            if _is_archive(path)
            else load_array(path, _MAX_BYTES)
        )
    except (InputError, KeyError) as error:
        raise InputError(
            f"cannot read the vertex colours ({error.problem if isinstance(error, InputError) else 'no such entry'})",
            file=path, field="color_table",
            remedy=f"save the table as a plain array (.npy), or as {ENTRY!r} in an .npz; pickled files are not opened",
        ) from error  # fmt: skip
    if table.ndim != 2 or table.shape[0] != num_vertices or table.shape[1] not in (3, 4):
        raise InputError(
            "vertex colours of another body", file=path, field="shape", value=table.shape,
            remedy=f"give ({num_vertices}, 3 or 4); transfer SMPL's colours to SMPL-X's vertices with their official "
            "correspondence",
        )  # fmt: skip
    if table.dtype.kind not in "uif":
        raise InputError(
            "vertex colours that are not numbers", file=path, field="dtype", value=str(table.dtype),
            remedy="give uint8, or floats in [0, 1]",
        )  # fmt: skip
    colors = table[:, :3].astype(np.float64) / (255 if table.dtype == np.uint8 else 1)
    if not (np.isfinite(colors).all() and colors.min() >= 0 and colors.max() <= 1):
        raise InputError(
            "vertex colours out of range", file=path, field="dtype", value=str(table.dtype),
            remedy="give uint8, or floats in [0, 1]",
        )  # fmt: skip
    return colors


def _is_archive(path: Path) -> bool:
    return not read_limited(path, _MAX_BYTES, "bytes", "color_table").startswith(b"\x93NUMPY")


def make_color_table(body: Body) -> NDArray[np.uint8]:
    """The free twin's table (V, 3): red, green, blue grow with the T-pose's x, y, z. Not the table of the weights."""
    rest = body.rest_vertices.astype(np.float64)
    unit: NDArray[np.float64] = (rest - rest.min(0)) / (rest.max(0) - rest.min(0))
    return (64 + 191 * unit).astype(np.uint8)  # never near black, which is the background


def write_color_table(path: Path, colors: NDArray[np.uint8]) -> None:
    """Publish a table as ``.npy``."""
    stream = io.BytesIO()
    np.save(stream, colors, allow_pickle=False)
    with replace_when_complete(path) as temporary:
        temporary.write_bytes(stream.getvalue())
