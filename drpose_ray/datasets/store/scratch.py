"""Folders of this user in the machine's temporary folder, which everybody may write to and look into."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import InputError

UNUSED_AFTER_S: Final = 7 * 24 * 3600.0
"""Files that nobody touched for so long are removed; what a build needs of them it has saved elsewhere, too."""


def private_folder(name: str) -> Path:
    """``<temporary folder>/drpose_ray-<user>/<name>``, which only this user may look into. It is made if need be.

    The place can be guessed, so that the processes of a machine find it. Whoever was there first is therefore looked
    at: a link, another's folder or one that others may write to is refused.

    Raises InputError if it is not this user's alone.
    """
    root = Path(tempfile.gettempdir()) / f"drpose_ray-{os.getuid()}"
    for folder in (root, root / name):
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            found = folder.lstat()  # not what a link leads to
        except OSError as error:
            raise _refused(folder, f"cannot be used ({error.strerror})") from error
        if not stat.S_ISDIR(found.st_mode):
            raise _refused(folder, "is no folder, or a link to one")
        if found.st_uid != os.getuid():
            raise _refused(folder, "belongs to another user")
        if found.st_mode & 0o022:
            raise _refused(folder, "may be written by others")
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    return root / name


def sweep_unused(folder: Path) -> None:
    """Remove files one level below ``folder`` that nobody touched for :data:`UNUSED_AFTER_S`."""
    for path in folder.glob("*/*"):
        with contextlib.suppress(OSError):  # a folder, or another process sweeps too
            if time.time() - path.lstat().st_mtime > UNUSED_AFTER_S:
                path.unlink()


def _refused(folder: Path, problem: str) -> InputError:
    return InputError(
        f"the folder for temporary files {problem}", file=folder, field="TMPDIR",
        remedy="remove it, or name a temporary folder of your own in TMPDIR",
    )  # fmt: skip
