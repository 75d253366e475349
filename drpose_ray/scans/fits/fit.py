"""SMPL-X fits of scans, as published: the body's Motion-X row, and how scan and body lie to each other."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.core.files.reading import UNREADABLE, is_there, read_limited
from drpose_ray.geometry import motion_row
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.fits.pickled_arrays import load_pickled_arrays
from drpose_ray.scans.scan import Layout, ScanFiles

_SIZES: Final = {"global_orient": (3,), "body_pose": (63, 66), "jaw_pose": (3,), "transl": (3,), "translation": (3,)}
_HANDS: Final = ("left_hand_pose", "right_hand_pose")
_FIELDS: Final = (*_SIZES, *_HANDS, "betas", "expression", "scale")
_HANDS_ADD_MEAN: Final[dict[Layout, bool]] = {"thuman": True, "2k2k": True, "customhumans": False, "twin": False}
"""Whether a dataset's hand poses are relative to the hand model's mean (smplx: ``flat_hand_mean=False``)."""
_MAX_MEMBERS: Final = 64
_LARGEST: Final = 1e9
"""No angle, shape or place in any unit; single precision would make infinities of some such numbers."""


@dataclass(frozen=True)
class Fit:
    """The body of a scan in metres, and the scan's own units: ``scan = scale * body + translation``."""

    row: NDArray[np.float32]  # (322,)
    scale: float
    translation: NDArray[np.float64]  # (3,) scan units


def read_fit(files: ScanFiles, body: Body, checks: ScanChecks) -> Fit:
    """Read a ``.pkl`` (without unpickling it), ``.json`` or ``.npz`` of SMPL-X parameters named as ``smplx`` does.

    ``body_pose`` and at least ten ``betas`` are required. A fit without ``global_orient`` is upright and unturned; one
    that says of its place neither ``transl`` nor ``translation`` has its pelvis at the origin.

    Raises:
        InputError: the file is missing, too large or broken, or a parameter is missing, of the wrong size or not
            finite.
        OSError: the disk failed.
    """
    values = _load(files, checks)
    row = np.zeros(motion_row.NUM_COLUMNS)
    pose = _numbers(values, "body_pose", files)
    if pose is None:
        raise _wrong(files, "body_pose", "missing", "give SMPL-X parameters, 21 joints of body_pose")
    row[motion_row.BODY_POSE] = pose[-63:]
    for field, columns in (("global_orient", motion_row.ROOT_ORIENT), ("jaw_pose", motion_row.JAW_POSE)):
        stored = _numbers(values, field, files)
        row[columns] = 0 if stored is None else stored
    if pose.size == 66 and "global_orient" not in values:
        row[motion_row.ROOT_ORIENT] = pose[:3]
    row[motion_row.HAND_POSE] = np.concatenate([_hand(values, side, files, body) for side in range(2)])
    betas, expression = _numbers(values, "betas", files), _numbers(values, "expression", files)
    if betas is None or betas.size < 10:
        raise _wrong(files, "betas", None if betas is None else betas.size, "give at least ten shape parameters")
    row[motion_row.BETAS] = betas[:10]
    if expression is not None:
        row[motion_row.EXPRESSION][: min(expression.size, 50)] = expression[:50]
    transl, translation = _numbers(values, "transl", files), _numbers(values, "translation", files)
    if transl is not None:
        row[motion_row.TRANSLATION] = transl
    elif translation is None:
        # CustomHumans places its bodies so that the pelvis is the origin, and stores no translation.
        row[motion_row.TRANSLATION] = -body.pose(row.astype(np.float32))[1][0]
    return Fit(row.astype(np.float32), _scale(values, files), np.zeros(3) if translation is None else translation)


def _load(files: ScanFiles, checks: ScanChecks) -> dict[str, Any]:
    kind = files.fit.suffix.lower()
    if not is_there(files.fit, "fit"):
        raise _wrong(
            files, "fit", "missing", "copy the dataset's SMPL-X fits into its folder; docs/scans.md says where"
        )
    if kind == ".pkl":
        return load_pickled_arrays(files.fit, checks.max_fit_bytes)
    if kind == ".json":
        return _load_json(files, checks)
    if kind == ".npz":
        return _load_npz(files, checks)
    raise _wrong(files, "fit", kind, "give a .pkl, .json or .npz of SMPL-X parameters")


def _load_json(files: ScanFiles, checks: ScanChecks) -> dict[str, Any]:
    data = read_limited(files.fit, checks.max_fit_bytes, "scans.checks.max_fit_bytes", "fit")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _wrong(files, "fit", str(error)[:80], "copy the file again: it is no JSON") from error
    if not isinstance(values, dict):
        raise _wrong(files, "fit", type(values).__name__, "give an object of named parameters")
    return values


def _load_npz(files: ScanFiles, checks: ScanChecks) -> dict[str, Any]:
    """Arrays of an archive whose members say, before they are unpacked, that they are small."""
    content = read_limited(files.fit, checks.max_fit_bytes, "scans.checks.max_fit_bytes", "fit")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except UNREADABLE as error:
        raise _wrong(files, "fit", str(error)[:80], "copy the file again: it is no .npz") from error
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or unpacked > checks.max_fit_bytes:
        raise InputError(
            f"the archive unpacks to more than {checks.max_fit_bytes} bytes or {_MAX_MEMBERS} files",
            file=files.fit, field="scans.checks.max_fit_bytes", value=unpacked,
            remedy="give an .npz of SMPL-X parameters alone",
        )  # fmt: skip
    return dict(load_fields(files.fit, _FIELDS, content))


def _numbers(values: dict[str, Any], field: str, files: ScanFiles) -> NDArray[np.float64] | None:
    """The parameter as a flat array of finite numbers; None if it is not there."""
    if field not in values or values[field] is None:
        return None
    try:
        array = np.asarray(_flat(values[field]))
        if array.dtype.kind not in "fiu" or array.size > 1000:
            raise ValueError(f"{array.dtype} {array.shape}")  # noqa: TRY301 - one message for all that is no array
    except (ValueError, TypeError, RecursionError) as error:
        raise _wrong(files, field, str(error)[:80], "give the numbers of one person") from error
    flat: NDArray[np.float64] = array.astype(np.float64).ravel()
    if field in _SIZES and flat.size not in _SIZES[field]:
        raise _wrong(files, field, array.shape, f"give {' or '.join(map(str, _SIZES[field]))} numbers of one person")
    if not (np.abs(flat) < _LARGEST).all():
        raise _wrong(files, field, "NaN, infinite or absurdly large", "leave the scan out, or fit it again")
    return flat


def _flat(value: Any) -> Any:
    """Nested lists as one list. A pickle can nest a list in itself, so the walk is counted."""
    if not isinstance(value, list | tuple):
        return value
    numbers: list[Any] = []
    waiting = [value]
    for _ in range(2000):
        if not waiting:
            return numbers
        item = waiting.pop()
        if isinstance(item, list | tuple):
            waiting.extend(reversed(item[:1001]))
        else:
            numbers.append(item)
    raise ValueError("too many numbers")


def _hand(values: dict[str, Any], side: int, files: ScanFiles, body: Body) -> NDArray[np.float64]:
    """(45,) axis-angles of one hand: as stored, or from components of the model's own hand space; zero if missing."""
    stored = _numbers(values, _HANDS[side], files)
    if stored is None:
        return np.zeros(45)
    components, mean = body.hand_space
    if stored.size > 45 or stored.size == 0:
        raise _wrong(files, _HANDS[side], stored.size, "give 45 angles, or fewer components")
    pose = stored if stored.size == 45 else stored @ components[side][: stored.size]
    return np.asarray(pose + mean[side] if _HANDS_ADD_MEAN[files.layout] else pose)


def _scale(values: dict[str, Any], files: ScanFiles) -> float:
    scale = _numbers(values, "scale", files)
    if scale is None:
        return 1.0
    if scale.size != 1 or scale[0] < 1 / _LARGEST:
        raise _wrong(files, "scale", scale.tolist()[:3], "give one positive number")
    return float(scale[0])


def _wrong(files: ScanFiles, field: str, value: object, remedy: str) -> InputError:
    return InputError(f"the SMPL-X fit's {field} cannot be used" if field != "fit" else "the SMPL-X fit cannot be read",
                      file=files.fit, field=field, value=value, remedy=remedy)  # fmt: skip
