"""CustomHumans: ``mesh/<folder>/mesh-f00101.obj`` with ``.mtl`` and ``.png``, ``smplx/<folder>/mesh-f00101*.json``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from drpose_ray.scans.readers.listing import below, find_texture, name_scan
from drpose_ray.scans.scan import ScanFiles

LICENCE: Final = "CustomHumans terms: non-commercial research, no redistribution"
_MESH: Final = re.compile(r"mesh-f\d+")


def is_customhumans(folder: Path) -> bool:
    """Whether the folder holds such meshes."""
    return bool(_meshes(folder))


def list_customhumans(folder: Path, prefix: str) -> list[ScanFiles]:
    """The scans below ``folder``: as downloaded, or with each scan's files in one folder.

    A folder's name begins with the scan's number; of ``0383_00070_02_00061`` the second part is taken for the person
    and the last is the frame. A mesh of another frame is a scan of its own, with the frame in its id.
    """
    fits: dict[tuple[str, str], Path] = {}
    for path in reversed(below(folder, "mesh-f*.json")):
        if match := _MESH.match(path.stem):
            fits[path.parent.name, match.group()] = path
    return [
        ScanFiles(
            scan_id=name_scan(prefix or "customhumans", _scan_name(mesh)),
            source="customhumans",
            mesh=mesh,
            texture=find_texture(mesh, mesh.stem),
            fit=fits.get((mesh.parent.name, mesh.stem), mesh.with_suffix(".json")),
            licence=LICENCE,
            layout="customhumans",
            name=mesh.parent.name,
            subject=_subject(mesh.parent.name),
        )
        for mesh in _meshes(folder)
    ]


def _meshes(folder: Path) -> list[Path]:
    """Scans; the registered bodies beside them are called ``mesh-f00101_smpl.obj``."""
    return [path for path in below(folder, "mesh-f*.obj") if _MESH.fullmatch(path.stem)]


def _scan_name(mesh: Path) -> str:
    """The folder's name, and the frame unless that is in it; other meshes beside it do not count."""
    frame = mesh.stem.removeprefix("mesh-")
    return mesh.parent.name if mesh.parent.name.endswith(frame[1:]) else f"{mesh.parent.name}-{frame}"


def _subject(name: str) -> str | None:
    parts = name.split("_")
    return parts[1] if len(parts) == 4 else None
