"""Folders of scans in any published layout as one list; no mesh or fit is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from drpose_ray.errors import InputError
from drpose_ray.scans.config import ScanSource
from drpose_ray.scans.disk import named_refusals
from drpose_ray.scans.readers.customhumans import is_customhumans, list_customhumans
from drpose_ray.scans.readers.thuman import is_thuman, list_thuman
from drpose_ray.scans.readers.twin import is_twin, list_twin
from drpose_ray.scans.readers.two_k2k import is_2k2k, list_2k2k
from drpose_ray.scans.scan import Layout, ScanFiles

_READERS: Final[dict[Layout, tuple[Callable[[Path], bool], Callable[[Path, str], list[ScanFiles]]]]] = {
    "twin": (is_twin, list_twin),
    "customhumans": (is_customhumans, list_customhumans),
    "thuman": (is_thuman, list_thuman),
    "2k2k": (is_2k2k, list_2k2k),
}


def list_scans(sources: Sequence[ScanSource]) -> list[ScanFiles]:
    """All scans of ``sources``, in their order and each by name; what a folder lacks of a scan is found on loading.

    Raises:
        InputError: a folder is missing, may not be listed, holds no scans of a known layout or of several, or two scans
            share an id.
    """
    scans: list[ScanFiles] = []
    for source in sources:
        with named_refusals(source.folder, "scans.sources.folder"):
            scans.extend(_list(source))
    twice = [scan_id for scan_id, count in Counter(files.scan_id for files in scans).items() if count > 1]
    if twice:
        raise InputError(
            f"{len(twice)} scans have the ids of others", field="scans.sources",
            value=f"{twice[0]}: {', '.join(str(files.mesh) for files in scans if files.scan_id == twice[0])}",
            remedy="give each source a name of its own; of two copies in one folder remove one",
        )  # fmt: skip
    return scans


def detect_layout(folder: Path) -> Layout:
    """The one layout whose scans ``folder`` holds; InputError otherwise."""
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, field="scans.sources.folder", remedy="name an unpacked dataset")
    found = [layout for layout, (holds, _) in _READERS.items() if holds(folder)]
    if len(found) != 1:
        raise InputError(
            "no scans of a known layout" if not found else "scans of several layouts", file=folder,
            field="scans.sources.format", value=found, remedy=f"name one: {', '.join(_READERS)}; see docs/scans.md",
        )  # fmt: skip
    return found[0]


def _list(source: ScanSource) -> list[ScanFiles]:
    folder = source.folder.absolute()  # who loads the scans may be a process in another folder
    layout = source.format or detect_layout(folder)
    scans = _READERS[layout][1](folder, source.name or "") if folder.is_dir() else []
    if not scans:
        raise InputError(
            f"no scans of the layout {layout}", file=source.folder, field="scans.sources.format",
            remedy="leave the format out, or name the folder that the dataset was unpacked into",
        )  # fmt: skip
    return [
        replace(
            files,
            source=source.name or files.source,
            licence=source.licence or files.licence,
            body=None if source.body is None else source.body.absolute(),
        )
        for files in scans
    ]
