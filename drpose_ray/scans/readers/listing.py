"""What the readers of published layouts share: files one or two folders deep, in one order on every machine."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase
from pathlib import Path

from drpose_ray.core.files.reading import is_hidden, list_files, named_refusals
from drpose_ray.scans.meshes.texture_file import IMAGE_SUFFIXES


def below(folder: Path, pattern: str, depths: tuple[int, ...] = (1, 2)) -> list[Path]:
    """Files that match ``pattern`` so many folders below ``folder``, by depth and name.

    Links are followed, and hidden files are nobody's. Raises InputError for a folder that may not be listed.
    """
    found: list[Path] = []
    level = [folder]
    for depth in range(max(depths) + 1):
        if depth in depths:
            files = [path for here in level for path in list_files(here, recursive=False, field="scans.sources.folder")]
            found += [path for path in files if fnmatchcase(path.name, pattern)]
        if depth < max(depths):
            level = [path for here in level for path in _folders(here)]
    return found


def _folders(folder: Path) -> list[Path]:
    with named_refusals(folder, "scans.sources.folder"):
        return sorted(path for path in folder.iterdir() if not is_hidden(path.name) and path.is_dir())


def name_scan(dataset: str, name: str) -> str:
    """E.g. ``thuman2-0461``; where other characters than those of record keys go, a hash keeps names apart."""
    return f"{_plain(dataset.replace('.', '_'))}-{_plain(name)}"


def _plain(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:80]
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return text if plain == text else f"{plain}-{digest}"


def find_texture(mesh: Path, stem: str) -> Path | None:
    """The image ``stem`` beside a mesh; None, which leaves it to the mesh's material, if there is none."""
    found = [mesh.with_name(stem + suffix) for suffix in IMAGE_SUFFIXES if mesh.with_name(stem + suffix).exists()]
    return found[0] if found else None
