"""A file that a scan's file names, such as a texture: looked for in the folder of the scan and below, nowhere else."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there

_OPTIONS: Final = re.compile(
    r"""-(?:(?:o|s|t)(?:\s+[-+.\de]+){1,3}          # offset, scale, turbulence: one to three numbers
        | mm\s+\S+\s+\S+                            # base and gain
        | (?:blendu|blendv|boost|texres|clamp|bm|imfchan|type|cc)\s+\S+)\s+""",
    re.VERBOSE | re.IGNORECASE,
)


def named_file(by: Path, name: str, field: str, folder: Path | None = None) -> Path:
    r"""The file that ``by`` calls ``name``, or the path in its folder where it should be, if there is none.

    Exporters write names of their own machine: ``C:\work\textures\skin.png`` is ``textures/skin.png`` or
    ``skin.png`` here, whichever is there. What stands above the scan's folder in a name is left out.

    Args:
        folder: Of the scan; ``by``'s own folder, without it.

    Raises:
        InputError: the file is a link to a place outside the folder.
        OSError: the disk failed.
    """
    folder = folder or by.parent
    parts = _parts(name)
    for base in dict.fromkeys((by.parent, folder)):
        for first in range(len(parts)):
            path = base.joinpath(*parts[first:])
            if is_there(path, field):
                _check_inside(path, by, folder, field)
                return path
    return folder / (parts[-1] if parts else "unnamed")


def without_options(text: str) -> str:
    """The name in a line of a material, without what comes before it, such as ``-bm 1`` and ``-s 1 1 1``."""
    while match := _OPTIONS.match(text):
        text = text[match.end() :]
    return text.strip().strip('"')


def _parts(name: str) -> tuple[str, ...]:
    """Folders and file of ``name`` below the last ``..``, without a drive or a root."""
    parts = [part for part in PurePosixPath(name.strip().replace("\\", "/")).parts if part != "/"]
    if parts and re.fullmatch(r"[A-Za-z]:", parts[0]):
        parts = parts[1:]
    above = max((place for place, part in enumerate(parts) if part == ".."), default=-1)
    return tuple(parts[above + 1 :])


def _check_inside(path: Path, by: Path, folder: Path, field: str) -> None:
    """Links are followed within the folder, or, where ``by`` is one too, within the folder that keeps both."""
    real = path.resolve()
    if not any(real.is_relative_to(place) for place in (folder.resolve(), by.resolve().parent)):
        raise InputError(
            "a link that leads out of the scan's folder", file=path, field=field, remedy="put the file itself there"
        )
