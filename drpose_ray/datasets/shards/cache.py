"""Shards as open files, checked against the manifest: those in a folder in place, others through a local cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there, named_refusals
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.store.scratch import private_folder
from drpose_ray.datasets.store.store import FolderStore, Store, this_writer, writer_is_gone

CACHE_BYTES: Final = 20 * 2**30
"""Where nobody says otherwise."""

REPAIR_OR_SKIP: Final = "repair the dataset with jobs/verify_dataset.py and build again, or skip corrupted shards"
_DOWNLOADS: Final = 2
"""How often a shard that arrives wrong is fetched."""


_FETCHING: Final = threading.Lock()
"""One download at a time in a process: a store's local file of a shard is named by the process."""


class CorruptedShardError(InputError):
    """A shard that is not what the manifest says. Not raised of a store that cannot be reached."""


class ShardFiles(Protocol):
    """Opens the shards of one dataset."""

    def open(self, row: ShardRow) -> BufferedReader:
        """The shard's bytes, which are those of the manifest; the file stays readable whatever happens to its name.

        Raises CorruptedShardError if the shard is missing or its bytes are others.
        """

    def peek(self, row: ShardRow) -> BufferedReader:
        """As ``open``, but a shard that lies here already is not hashed: for reading little of a large one."""

    def prefetch(self, row: ShardRow) -> None:
        """Say that ``row`` is opened next."""

    def where(self, row: ShardRow) -> Path | str:
        """What messages call the shard."""


def shard_files(store: Store, cache: Path | None = None, cache_bytes: int = CACHE_BYTES) -> ShardFiles:
    """Shards in a folder are read there; others go through a cache, by default in the machine's temporary folder."""
    if isinstance(store, FolderStore):
        return ShardsInPlace(store)
    return ShardCache(store, cache or private_folder("shards"), cache_bytes)


class ShardsInPlace:
    """Implements ``ShardFiles`` for a folder. A shard is hashed when it is first opened, and if it changed since."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self._checked = _Checked()

    def open(self, row: ShardRow) -> BufferedReader:
        file = self.peek(row)
        if not self._checked.holds(file, row):
            file.close()
            raise _altered(self.where(row))
        return file

    def peek(self, row: ShardRow) -> BufferedReader:
        path = self.where(row)
        if not is_there(path, "shard"):  # nor a pipe, which would wait for ever
            raise _missing(path)
        with named_refusals(path, "shard"):
            file = path.open("rb")
        if os.fstat(file.fileno()).st_size != row.bytes:
            file.close()
            raise _altered(self.where(row))
        return file

    def prefetch(self, row: ShardRow) -> None:
        """The file is there already."""

    def where(self, row: ShardRow) -> Path:
        return self._store.folder / row.name


class ShardCache:
    """Implements ``ShardFiles`` for a remote store, in a folder that the processes of a machine share.

    Files are named by their sha256, so datasets may share the folder too. It holds at most ``max_bytes``, give or take
    the shards that are being fetched this moment; those opened longest ago go first. One thread fetches ahead.
    """

    def __init__(self, store: Store, folder: Path, max_bytes: int) -> None:
        self._store, self._folder, self._max_bytes = store, folder, max_bytes
        self._checked = _Checked()
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="shards")
        self._coming: dict[str, Future[BufferedReader]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot use the shard cache ({error.strerror})", file=folder, remedy="choose a writable folder"
            ) from error
        for path in folder.glob("*.tmp.*"):
            if writer_is_gone(path):
                path.unlink(missing_ok=True)

    def open(self, row: ShardRow) -> BufferedReader:
        coming = self._coming.pop(row.sha256, None)
        return coming.result() if coming else self._fetched(row)

    def peek(self, row: ShardRow) -> BufferedReader:
        return self.open(row)

    def prefetch(self, row: ShardRow) -> None:
        if row.sha256 not in self._coming:
            self._drop_other_prefetches()
            self._coming[row.sha256] = self._ahead.submit(self._fetched, row)

    def where(self, row: ShardRow) -> str:
        return f"{self._store.location}/{row.name}"

    def _drop_other_prefetches(self) -> None:
        """A reader that was restored goes on elsewhere: let go of what it announced before."""
        for coming in self._coming.values():
            coming.add_done_callback(_close_result)
        self._coming.clear()

    def _fetched(self, row: ShardRow) -> BufferedReader:
        path = self._folder / f"{row.sha256}.tar"
        with _FETCHING:
            with contextlib.suppress(FileNotFoundError):  # not there yet, or gone again to make room
                file = path.open("rb")
                if self._checked.holds(file, row):
                    with contextlib.suppress(FileNotFoundError):
                        modified = os.fstat(file.fileno()).st_mtime_ns
                        os.utime(path, ns=(time.time_ns(), modified))  # the access that the order of removal goes by
                    return file
                file.close()
            for _ in range(_DOWNLOADS):
                if (arrived := self._download(row, path)) is not None:
                    return arrived
        raise _altered(self.where(row))

    def _download(self, row: ShardRow, path: Path) -> BufferedReader | None:
        """The shard, open, or None if it arrives wrong: it gets its name when it is known to be right.

        It is open before it has the name, as another process may remove what has one to make room.
        """
        self._make_room(row)
        try:
            fetched = self._store.fetch(row.name)
        except FileNotFoundError as error:
            raise _missing(self.where(row)) from error
        temporary = path.with_name(f"{path.name}.tmp.{this_writer()}")
        try:
            shutil.move(fetched, temporary)  # may be a copy, from another file system
            file = temporary.open("rb")
            if self._checked.holds(file, row):
                temporary.replace(path)
                return file
            file.close()
            return None
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, row: ShardRow) -> None:
        if row.bytes > self._max_bytes:
            raise InputError(
                f"a shard of {row.bytes} bytes does not fit into the shard cache",
                file=self._folder, field="max_bytes", value=self._max_bytes, remedy="give the cache more space",
            )  # fmt: skip
        files = []
        for path in self._folder.glob("*.tar*"):
            with contextlib.suppress(FileNotFoundError):  # another process makes room too
                files.append((path, path.stat()))
        total = sum(stat.st_size for _, stat in files) + row.bytes
        for path, stat in sorted(files, key=lambda entry: entry[1].st_atime_ns):
            if total <= self._max_bytes:
                return
            if path.suffix == ".tar":
                path.unlink(missing_ok=True)  # whoever has it open reads on
                total -= stat.st_size


class _Checked:
    """Which files this process has hashed; one that changed since is hashed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, ...]] = {}

    def holds(self, file: BufferedReader, row: ShardRow) -> bool:
        """Whether the open ``file`` is the shard ``row``."""
        stat = os.fstat(file.fileno())
        if stat.st_size != row.bytes:
            return False
        state = (stat.st_dev, stat.st_ino, stat.st_mtime_ns)
        if self._known.get(row.sha256) != state:
            if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
                return False
            self._known[row.sha256] = state
            file.seek(0)
        return True


def _missing(file: Path | str) -> CorruptedShardError:
    return CorruptedShardError("a shard of the manifest is missing", file=file, remedy=REPAIR_OR_SKIP)


def _altered(file: Path | str) -> CorruptedShardError:
    return CorruptedShardError("the shard's sha256 is not the manifest's", file=file, remedy=REPAIR_OR_SKIP)


def _close_result(coming: Future[BufferedReader]) -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().close()
