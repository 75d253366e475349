"""The arrays of an ``SMPLX_*.npz``, whoever wrote it: checked here, and handed to stock ``smplx`` in a file of our own.

``smplx`` opens model files with ``allow_pickle=True``, so an array of objects would run what it asks for. Here only the
members that posing needs are read, and only as plain numbers. The published files hold objects beside them
(``joint2num``, ``part2num``); nobody touches those.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import smplx
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields, refuse_nonfinite
from drpose_ray.core.files.reading import is_there, read_limited

NUM_BETAS: Final = 10
_JOINTS: Final = 55
_HAND: Final = (45, 45)
_MAX_BYTES: Final = 2**30
"""Of the file, and of the members that are read once they are unpacked; the published models take a quarter."""
_SHAPES: Final[dict[str, tuple[int | str, ...]]] = {
    "v_template": ("V", 3), "f": ("F", 3), "shapedirs": ("V", 3, "S"), "posedirs": ("V", 3, 9 * (_JOINTS - 1)),
    "J_regressor": (_JOINTS, "V"), "weights": ("V", _JOINTS), "kintree_table": (2, _JOINTS),
    "hands_componentsl": _HAND, "hands_componentsr": _HAND, "hands_meanl": _HAND[:1], "hands_meanr": _HAND[:1],
}  # fmt: skip
_REMEDY: Final = "copy the SMPLX_*.npz of the SMPL-X release again; its .pkl files are not read"
_NUMBERS_OF_THINGS: Final = frozenset({"f", "kintree_table"})


@dataclass(frozen=True)
class ModelFile:
    """What a body model holds; ``V`` vertices and ``F`` faces, as many as the file says.

    Attributes:
        sha256: of the user's file.
        arrays: by the names they have in it: ``v_template`` (V, 3) metres, ``f`` (F, 3), ``shapedirs`` (V, 3, 10),
            ``posedirs`` (V, 3, 486), ``J_regressor`` (55, V), ``weights`` (V, 55), ``kintree_table`` (2, 55), and of
            each hand ``hands_components*`` (45, 45) and ``hands_mean*`` (45,). The hands' are float64, what numbers
            things is int64, the others are float32.
    """

    sha256: str
    arrays: dict[str, NDArray[Any]]

    def as_smplx(self) -> smplx.SMPLX:
        """The module that stock ``smplx`` makes of these arrays, in a file that we write and remove."""
        # It demands face landmarks as well, which nothing here uses.
        landmarks: dict[str, NDArray[Any]] = {
            "lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3, np.float32),
        }  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="drpose-body-") as folder:
            clean = Path(folder) / "SMPLX_NEUTRAL.npz"
            np.savez(clean, allow_pickle=False, **self.arrays, **landmarks)
            return smplx.SMPLX(
                str(clean), ext="npz", use_pca=False, flat_hand_mean=True, num_betas=NUM_BETAS,
                num_expression_coeffs=10,
            )  # fmt: skip


def read_model_file(path: Path) -> ModelFile:
    """Read and check a body model.

    Raises:
        InputError: the file is missing, larger than a gigabyte, no ``.npz``, or a member that posing needs is missing,
            no plain array of numbers, of another shape than the others ask for, not finite, or names vertices or joints
            that are not there.
        OSError: the disk failed.
    """
    if not is_there(path, "body"):
        raise InputError(
            "body model file not found", file=path, field="body",
            remedy="give the path of an SMPLX_*.npz, or leave it out for the free body",
        )  # fmt: skip
    content = read_limited(path, _MAX_BYTES, "bytes", "body")
    try:
        members = load_fields(path, _SHAPES, content, _MAX_BYTES)
    except InputError as error:
        raise _no_model(error.problem, path, error.field or "body") from error
    sizes: dict[str, int] = {}
    arrays = {name: _checked(name, members, sizes, path) for name in _SHAPES}
    # Later shape components are smaller, and after them come those of the face; records hold ten.
    arrays["shapedirs"] = np.ascontiguousarray(arrays["shapedirs"][..., :NUM_BETAS])
    _check_meaning(arrays, path)
    return ModelFile(hashlib.sha256(content).hexdigest(), arrays)


def _checked(name: str, members: dict[str, NDArray[Any]], sizes: dict[str, int], path: Path) -> NDArray[Any]:
    """The member, of the shape that ``sizes``, which grows, allows for, as finite numbers or as int64."""
    array = members.get(name)
    if array is None:
        raise _no_model("a member is missing", path, name)
    kinds = "iu" if name in _NUMBERS_OF_THINGS else "f"
    wanted = tuple(sizes.get(side, side) if isinstance(side, str) else side for side in _SHAPES[name])
    fits = array.ndim == len(wanted) and all(
        isinstance(side, str) or length == side for length, side in zip(array.shape, wanted, strict=True)
    )
    if array.dtype.kind not in kinds or not fits:
        shape = f"({', '.join(map(str, wanted))})"
        raise _no_model(f"{array.dtype} of shape {array.shape} where {shape} belongs", path, name)
    sizes.update({side: n for side, n in zip(_SHAPES[name], array.shape, strict=True) if isinstance(side, str)})
    if name in _NUMBERS_OF_THINGS:
        return array.astype(np.int64)
    with np.errstate(over="ignore"):  # what single precision makes infinite is refused as such
        numbers = array.astype(np.float64 if name.startswith("hands") else np.float32)
    refuse_nonfinite(numbers, path, name, _REMEDY)
    return numbers


def _check_meaning(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Refuse numbers that smplx would take and that mean nothing."""
    num_vertices, faces, parents = len(arrays["v_template"]), arrays["f"], arrays["kintree_table"][0]
    if not faces.size or faces.min() < 0 or faces.max() >= num_vertices:
        raise _no_model(f"faces of other vertices than 0..{num_vertices - 1}", path, "f")
    if arrays["shapedirs"].shape[-1] < NUM_BETAS:
        raise _no_model(f"fewer than {NUM_BETAS} shape components", path, "shapedirs")
    if (parents[1:] < 0).any() or (parents[1:] >= np.arange(1, _JOINTS)).any():
        raise _no_model("a joint whose parent does not come before it", path, "kintree_table")
    parents[0] = -1  # the published files have 2**32 - 1
    weights = arrays["weights"]
    if weights.min() < -1e-3 or np.abs(weights.sum(1) - 1).max() > 1e-2:
        raise _no_model("skinning weights that are no shares of one", path, "weights")


def _no_model(why: str, path: Path, field: str) -> InputError:
    return InputError(f"not a body model that can be used: {why}", file=path, field=field, remedy=_REMEDY)
