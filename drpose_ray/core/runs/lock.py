"""One writer for one folder: a lock that ends with the process, and a record of who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import writable

LOCK_FILE = "run.lock"
_BEAT_SECONDS = 10.0
_DEAD_AFTER_SECONDS = 60.0


@contextmanager
def locked(folder: Path, job: str) -> Iterator[None]:
    """Hold ``folder`` within the block; Raises InputError if another job holds it, or it cannot be written.

    The kernel's lock (flock) ends with its process, however that ends, so what a dead one held is taken over at once.
    Between machines that share a folder flock may not reach: there a record in the lock file counts, whose time its
    holder renews every ten seconds, and which is taken over when it is a minute old.
    """
    file = folder / LOCK_FILE
    descriptor, by_kernel = _open_locked(file)
    try:
        _refuse_if_held(file, descriptor, by_kernel)
        record = {
            "job": job, "host": socket.gethostname(), "pid": os.getpid(), "since": f"{datetime.now(UTC):%F %T} UTC",
        }  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    ended = threading.Event()
    beat = threading.Thread(target=_renew, args=(descriptor, ended), name="run lock", daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with contextlib.suppress(OSError):  # it must not stand in for what ended the run
            file.unlink()  # before the lock is given back: whoever gets it then looks whether it is there
        os.close(descriptor)


def _open_locked(file: Path) -> tuple[int, bool]:
    """The descriptor of the file that has this name, and whether the kernel locked it."""
    while True:
        # No link is followed: the file it leads to would be emptied.
        with writable(file.parent, "cannot write into the run folder"):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputError("the lock of the run folder is no file", file=file, remedy="remove it")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            refusal = _held(file, _read(descriptor))
            os.close(descriptor)
            raise refusal from error
        except OSError:  # a file system without locks: the record has to do
            return descriptor, False
        try:
            if os.path.samestat(os.fstat(descriptor), file.stat()):
                return descriptor, True
        except FileNotFoundError:
            pass
        os.close(descriptor)  # its holder removed the file as it ended


def _refuse_if_held(file: Path, descriptor: int, by_kernel: bool) -> None:
    """By the record in the file: its holder may be on a machine that the kernel's lock does not reach, or there is no
    such lock.
    """
    record = _read(descriptor)
    if not record:
        return
    if record.get("host") == socket.gethostname():
        if not by_kernel and Path(f"/proc/{record.get('pid')}").exists():
            raise _held(file, record)
        return
    probe = file.with_name(f"{file.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        probe.touch()
        # Both times are the file server's, so clocks need not agree.
        age = probe.stat().st_mtime - os.fstat(descriptor).st_mtime
    finally:
        probe.unlink(missing_ok=True)
    if abs(age) < _DEAD_AFTER_SECONDS:  # a time to come is no beat of anybody's
        raise _held(file, record)


def _held(file: Path, record: dict[str, Any]) -> InputError:
    who = ", ".join(f"{name} {record[name]}" for name in ("job", "host", "pid", "since") if name in record)
    return InputError(
        "another job is writing into this run folder", file=file.parent, field="run.folder", value=who or "unknown",
        remedy=f"wait for it or stop it, or choose another folder (a machine that died holds it for "
        f"{_DEAD_AFTER_SECONDS:.0f} s)",
    )  # fmt: skip


def _read(descriptor: int) -> dict[str, Any]:
    try:
        record = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _renew(descriptor: int, ended: threading.Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        try:
            os.utime(descriptor)
        except OSError:  # the disk's own trouble is told by whoever writes there
            continue
