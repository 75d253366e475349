"""THuman2.0 and 2.1: ``0461/0461.obj`` with ``material0.jpeg``, and ``0461/smplx_param.pkl`` in a folder of fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from drpose_ray.scans.readers.listing import below, find_texture, name_scan
from drpose_ray.scans.scan import ScanFiles

SOURCE: Final = "thuman2"
LICENCE: Final = "THuman2.0/2.1 agreement: non-commercial research, no redistribution"
_FIT: Final = "smplx_param.pkl"


def is_thuman(folder: Path) -> bool:
    """Whether the folder holds such meshes."""
    return bool(_meshes(folder))


def list_thuman(folder: Path, prefix: str) -> list[ScanFiles]:
    """The scans below ``folder``, which holds meshes and fits, each one or two folders deep, e.g. ``model``, ``smplx``.

    2.1 begins with 2.0's scans. Both are ``thuman2``, so that ids and hashed splits stay as a download grows.
    """
    meshes = _meshes(folder)
    fits = {path.parent.name: path for path in reversed(below(folder, _FIT))}
    return [
        ScanFiles(
            scan_id=name_scan(prefix or SOURCE, mesh.stem),
            source=SOURCE,
            mesh=mesh,
            texture=find_texture(mesh, "material0"),
            fit=fits.get(mesh.stem, mesh.with_name(_FIT)),
            licence=LICENCE,
            layout="thuman",
            name=mesh.stem,
        )
        for mesh in meshes
    ]


def _meshes(folder: Path) -> list[Path]:
    paths = below(folder, "*.obj")
    return [path for path in paths if path.stem == path.parent.name and re.fullmatch(r"\d{4}", path.stem)]
