"""Our own layout: ``<name>.glb`` with its texture inside, ``<name>.npz`` with the SMPL-X parameters, flat in a folder.

The free twin is written in it, and any dataset can be: only ``twin.json`` is the twin's own.
"""

from __future__ import annotations

import json
from pathlib import Path

from drpose_ray.errors import InputError
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.twin import IDENTITY_FILE


def is_twin(folder: Path) -> bool:
    """Whether the folder holds GLB files."""
    return any(folder.glob("*.glb"))


def list_twin(folder: Path, prefix: str) -> list[ScanFiles]:
    """The scans in ``folder``. Names ``<person>_<pose>`` tell which scans show one person."""
    identity = _identity(folder / IDENTITY_FILE)
    source = str(identity.get("source", "twin"))
    return [
        ScanFiles(
            scan_id=f"{prefix or source.replace('.', '_')}-{mesh.stem.replace('.', '_')}",
            source=source,
            mesh=mesh,
            texture=None,
            fit=mesh.with_suffix(".npz"),
            licence=str(identity.get("licence", "unstated")),
            layout="twin",
            name=mesh.stem,
            subject=mesh.stem.rpartition("_")[0] or None,
        )
        for mesh in sorted(folder.glob("*.glb"))
    ]


def _identity(path: Path) -> dict[str, object]:
    if not path.exists():
        return {"source": "scans"}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read ({error})", file=path, remedy="make the scans again, or remove the file"
        ) from error
    return content if isinstance(content, dict) else {}
