"""2K2K: ``00003/00003.ply`` with colours at the vertices; SMPL-X fits, for the scans that have one, beside or apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from drpose_ray.scans.readers.listing import below, name_scan
from drpose_ray.scans.scan import ScanFiles

LICENCE: Final = "2K2K agreement: non-commercial research, no redistribution"


def is_2k2k(folder: Path) -> bool:
    """Whether the folder holds such meshes."""
    return bool(_meshes(folder))


def list_2k2k(folder: Path, prefix: str) -> list[ScanFiles]:
    """The scans below ``folder``.

    A fit is ``<number>.npz`` or ``.json``, or ``<number>_smplx`` with these endings, in any folder up to two below.
    Whether the published fits lie on the scans is not known to us: a scan whose fit does not is refused by name.
    """
    fits = {
        path.stem.removesuffix("_smplx"): path
        for kind in ("json", "npz")
        for path in below(folder, f"*.{kind}", (0, 1, 2))
    }
    return [
        ScanFiles(
            scan_id=name_scan(prefix or "2k2k", mesh.stem),
            source="2k2k",
            mesh=mesh,
            texture=None,
            fit=fits.get(mesh.stem, mesh.with_suffix(".json")),
            licence=LICENCE,
            layout="2k2k",
            name=mesh.stem,
        )
        for mesh in _meshes(folder)
    ]


def _meshes(folder: Path) -> list[Path]:
    paths = below(folder, "*.ply", (0, 1, 2))
    return [path for path in paths if re.fullmatch(r"\d{5}", path.stem)]
