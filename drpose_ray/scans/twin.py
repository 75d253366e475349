"""The free twin of a scan dataset: clothed people as GLB with a texture, and the SMPL-X parameters they stand in."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.tailor import Tailor
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete, write_json
from drpose_ray.core.files.reading import read_json
from drpose_ray.core.seeding import derive_seed, stream
from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.geometry import motion_row
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.sources import draw_pose
from drpose_ray.scans.config import TwinConfig
from drpose_ray.scans.meshes.glb.write import write_glb

IDENTITY_FILE: Final = "twin.json"
"""Says what the folder's scans were drawn from; by it a folder is known to be a twin."""
FORMAT: Final = "drpose-twin-1"


@dataclass(frozen=True)
class TwinScan:
    """What is written of one scan: the two files' contents, and where the body is in the scan's own units."""

    name: str
    glb: bytes
    fit: dict[str, NDArray[Any]]


def draw_twin(tailor: Tailor, settings: TwinConfig, index: int, clips: Sequence[MotionClip]) -> TwinScan:
    """Scan ``index`` of the endless set that ``settings.seed`` names; it does not depend on how many are drawn."""
    person_index, pose_index = divmod(index, settings.poses_per_person)
    person = tailor.draw(tailor.seed(settings.seed, "twin", person_index), settings.texture_size)
    row = draw_pose(settings.mixture, derive_seed(settings.seed, "twin-poses"), index, clips).copy()
    row[motion_row.BETAS] = person.betas
    vertices, _ = person.pose(row)
    rng = stream(settings.seed, "twin-units", index)
    scale = float(rng.uniform(0.4, 1.2)) if settings.scan_units else 1.0
    translation = rng.uniform(-0.6, 0.6, 3) if settings.scan_units else np.zeros(3)
    texture = encode_png(person.texture)
    glb = write_glb(vertices * scale + translation, person.faces, person.uvs, person.uv_faces, texture)
    return TwinScan(f"p{person_index:05d}_{pose_index:02d}", glb, fit_parameters(row, scale, translation))


def fit_parameters(
    row: NDArray[np.floating], scale: float, translation: NDArray[np.floating]
) -> dict[str, NDArray[Any]]:
    """SMPL-X parameters by their names in ``smplx``, each (1, n) float32; ``scan = scale * body + translation``."""
    columns = {
        "global_orient": motion_row.ROOT_ORIENT, "body_pose": motion_row.BODY_POSE, "jaw_pose": motion_row.JAW_POSE,
        "transl": motion_row.TRANSLATION, "betas": motion_row.BETAS,
    }  # fmt: skip
    fields: dict[str, NDArray[Any]] = {name: row[None, part].astype(np.float32) for name, part in columns.items()}
    hands = row[motion_row.HAND_POSE].astype(np.float32)
    fields["left_hand_pose"], fields["right_hand_pose"] = hands[None, :45], hands[None, 45:]
    fields["expression"] = row[motion_row.EXPRESSION][None, :10].astype(np.float32)
    fields["scale"] = np.array([scale], np.float32)
    fields["translation"] = np.asarray(translation, np.float32)
    return fields


def write_twins(
    folder: Path,
    tailor: Tailor,
    settings: TwinConfig,
    clips: Sequence[MotionClip],
    report: Callable[[int], None] | None = None,
) -> int:
    """Write ``<name>.glb`` and ``<name>.npz`` of every scan that is not there yet; returns how many were written.

    A scan's fit is written after its mesh, so a scan with a fit is whole. A killed run goes on where it was, and more
    scans can be added to a folder later: ``num`` is no part of what identifies it.

    Raises:
        InputError: the folder holds scans of other settings, or it cannot be written.
    """
    identity = _identity(tailor, settings, clips)
    _claim(folder, identity)
    written = 0
    for index in range(settings.num):
        person_index, pose_index = divmod(index, settings.poses_per_person)
        if (folder / f"p{person_index:05d}_{pose_index:02d}.npz").exists():
            continue
        scan = draw_twin(tailor, settings, index, clips)
        stream_ = io.BytesIO()
        np.savez(stream_, allow_pickle=False, **scan.fit)
        for name, content in ((f"{scan.name}.glb", scan.glb), (f"{scan.name}.npz", stream_.getvalue())):
            with replace_when_complete(folder / name) as temporary:
                temporary.write_bytes(content)
        written += 1
        if report is not None:
            report(written)
    return written


def _identity(tailor: Tailor, settings: TwinConfig, clips: Sequence[MotionClip]) -> dict[str, Any]:
    mocap = settings.mixture.get("mocap", 0) > 0
    return {
        "format": FORMAT,
        "body_sha256": tailor.body.sha256,
        "clips": sorted({clip.name for clip in clips}) if mocap else [],
        "licence": tailor.licence("CC0-1.0" if not mocap else "people CC0-1.0; poses as their clips"),
        **settings.model_dump(mode="json", exclude={"num", "garments"}),
        **tailor.identity(),
    }


def read_identity(path: Path) -> dict[str, Any]:
    """What ``twin.json`` says; InputError if it cannot be read."""
    content = read_json(path, field=IDENTITY_FILE)
    if not isinstance(content, dict):
        raise InputError(
            f"cannot be read (a {type(content).__name__})", file=path, field=IDENTITY_FILE,
            remedy="make the scans again in another folder, or remove the file",
        )  # fmt: skip
    return content


def _claim(folder: Path, identity: dict[str, Any]) -> None:
    path = folder / IDENTITY_FILE
    if path.exists():
        stored = read_identity(path)
        different = sorted(key for key in {*identity, *stored} if identity.get(key) != stored.get(key))
        if different:
            raise InputError(
                "the folder holds scans of other settings", file=path, field=", ".join(different),
                value={key: stored.get(key) for key in different if key != "clips"},
                remedy="choose another folder, or the settings of this one",
            )  # fmt: skip
        return
    write_json(path, identity)
