"""Folders of scans in any published layout as one list; no mesh or fit is read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import named_refusals
from drpose_ray.scans.config import ScanSource
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
        InputError: a folder is missing, may not be listed, holds no scans of a known layout or of several or none of
            the range that is asked for, ranges overlap, or two scans share an id.
    """
    parts: list[list[ScanFiles]] = []
    for source in sources:
        with named_refusals(source.folder, "scans.sources.folder"):
            parts.append(_part(source, _list(source)))
    _check_ranges(sources, parts)
    scans = [files for part in parts for files in part]
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


def _part(source: ScanSource, scans: list[ScanFiles]) -> list[ScanFiles]:
    """Those of the source's range, by the number that a name starts with."""
    if not source.is_part:
        return scans
    numbers = {files.scan_id: int(match.group()) for files in scans if (match := re.match(r"[0-9]+", files.name))}
    first, last = source.first or 0, math.inf if source.last is None else source.last
    chosen = [files for files in scans if first <= numbers.get(files.scan_id, -1) <= last]
    if not chosen:
        known = f"numbers {min(numbers.values())} to {max(numbers.values())}" if numbers else "names without numbers"
        raise InputError(
            "no scans of this range", file=source.folder, field="scans.sources.first", value=source.range,
            remedy=f"the folder's scans have {known}: give first and last of them, or neither",
        )  # fmt: skip
    return chosen


def _check_ranges(sources: Sequence[ScanSource], parts: Sequence[list[ScanFiles]]) -> None:
    """Refuse a scan that is of two sources, whatever they are called, if one of them is a range."""
    owners: dict[Path, ScanSource] = {}
    for source, part in zip(sources, parts, strict=True):
        for files in part:
            other = owners.setdefault(files.mesh, source)
            if other is not source and (source.is_part or other.is_part):
                raise InputError(
                    "two sources take one scan", file=files.mesh, field="scans.sources.first",
                    value=f"{other.range or 'all'} and {source.range or 'all'}",
                    remedy="give ranges of one folder that have no number in common",
                )  # fmt: skip


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
