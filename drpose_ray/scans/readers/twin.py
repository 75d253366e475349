"""Our own layout: ``<name>.glb`` with its texture inside, ``<name>.npz`` with the SMPL-X parameters, flat in a folder.

The free twin is written in it, and any dataset can be: only ``twin.json`` is the twin's own.
"""

from __future__ import annotations

from pathlib import Path

from drpose_ray.core.files.reading import list_files
from drpose_ray.scans.readers.listing import name_scan
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.twin import IDENTITY_FILE, read_identity


def is_twin(folder: Path) -> bool:
    """Whether the folder holds GLB files."""
    return bool(_meshes(folder))


def list_twin(folder: Path, prefix: str) -> list[ScanFiles]:
    """The scans in ``folder``. Names ``<person>_<pose>`` tell which scans show one person."""
    path = folder / IDENTITY_FILE
    identity = read_identity(path) if path.exists() else {"source": "scans"}
    source = str(identity.get("source", "twin"))
    return [
        ScanFiles(
            scan_id=name_scan(prefix or source, mesh.stem),
            source=source,
            mesh=mesh,
            texture=None,
            fit=mesh.with_suffix(".npz"),
            licence=str(identity.get("licence", "unstated")),
            layout="twin",
            name=mesh.stem,
            subject=mesh.stem.rpartition("_")[0] or None,
        )
        for mesh in _meshes(folder)
    ]


def _meshes(folder: Path) -> list[Path]:
    return list_files(folder, (".glb",), recursive=False, field="scans.sources.folder")
