"""The folder of one private Ray instance: 0700, locked by its owner for as long as that lives, gone afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "drpose-ray-"
LOCK_FILE = "owner.lock"


@contextmanager
def session_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent`` that only this user may enter; those that dead processes left there are removed first.

    ``parent`` should be short: Ray keeps unix sockets in the folder, whose paths are limited to 107 bytes.
    """
    remove_dead_folders(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))  # 0700
    unlocked = folder / f"{LOCK_FILE}.new"
    lock = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(folder / LOCK_FILE)  # nobody sees the file before it is locked
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_dead_folders(parent: Path) -> list[Path]:
    """Remove this user's session folders in ``parent`` whose owner is dead; returns them.

    The kernel gives a lock back when its holder ends, however it ends, so nothing is guessed from process numbers. A
    folder without a lock file is left alone: its owner may be about to make one.
    """
    removed = []
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        try:
            described = folder.lstat()
            if not stat.S_ISDIR(described.st_mode) or described.st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile, or no folder of ours
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return removed
