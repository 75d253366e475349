"""Where a dataset lies: a folder that every worker sees, or a prefix in an S3 bucket (``datasets/store/s3_store.py``).

Names are flat. A name is *created* once, and the first creator wins: so two builders of one shard agree.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256, replace_when_complete
from drpose_ray.core.files.reading import is_hidden, is_there, named_refusals, read_limited
from drpose_ray.core.settings.config import absolute

STALE_AFTER_S: Final = 24 * 3600.0
"""Work in progress of another host counts as abandoned after this time without a change."""

MAX_READ_BYTES: Final = 2**30
"""Of a file that is read at once: a manifest of a million shards takes half of it."""


class Store(Protocol):
    """A flat collection of named, immutable files."""

    location: str
    """What a user wrote: a path or ``s3://bucket/prefix``."""

    def sizes(self) -> Mapping[str, int]:
        """Bytes of everything that is stored, by name; hidden files are nobody's."""

    def size(self, name: str) -> int | None:
        """Bytes of one name, or None if there is none."""

    def read(self, name: str) -> bytes | None:
        """All bytes of a small file, or None if there is none. InputError if it is larger than ``MAX_READ_BYTES``."""

    def sha256(self, name: str) -> str | None:
        """Of the bytes that are stored now, read again; None if there are none."""

    def fetch(self, name: str) -> Path:
        """A local file with the bytes of ``name``, theirs or a copy until the next sweep. Raises FileNotFoundError."""

    def create(self, name: str, file: Path) -> bool:
        """Store the bytes of ``file`` as ``name``, whole or not at all; False if the name is taken by other bytes.

        ``file`` is used up.
        """

    def write(self, name: str, data: bytes) -> None:
        """Store a small file, whole or not at all, in place of what has that name."""

    def delete(self, name: str) -> None:
        """Forget ``name``, if there is one."""

    def part(self, name: str) -> Path:
        """Where this process may write ``name`` before it is created: the folder exists, the file may not."""

    def save_part(self, name: str) -> None:
        """Keep this process's part of ``name`` so that another machine may go on with it."""

    def parts(self, name: str) -> list[Path]:
        """Local files with what was written of ``name`` by anybody, living or dead."""

    def sweep(self, name: str | None = None) -> None:
        """Remove this process's part of ``name``; without a name, all parts whose writers are gone, and copies."""


@contextlib.contextmanager
def fetched(store: Store, name: str) -> Iterator[Path]:
    """A local file with the bytes of ``name`` within the block; a copy is gone afterwards. Raises FileNotFoundError."""
    path = store.fetch(name)
    try:
        yield path
    finally:
        if not isinstance(store, FolderStore):
            path.unlink(missing_ok=True)


def absolute_location(location: Path | str) -> str:
    """The same place for a worker whose current directory is another."""
    place = absolute(Path(location))
    return f"s3://{'/'.join(place.parts[1:])}" if place.parts[0] == "s3:" else str(place)


def is_part(name: str) -> bool:
    return ".part." in name or ".tmp." in name


class FolderStore:
    """A folder; parts lie in it too, so every node that sees the folder can go on with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.location = str(folder)

    def sizes(self) -> dict[str, int]:
        try:
            entries = list(os.scandir(self.folder)) if self.folder.exists() else []
        except OSError as error:
            raise InputError(
                f"cannot use the dataset folder ({error.strerror})",
                file=self.folder,
                remedy="choose a folder that can be used",
            ) from error
        sizes = {}
        for entry in entries:
            if is_hidden(entry.name):
                continue
            try:
                sizes[entry.name] = entry.stat().st_size
            except OSError as error:  # a part that was renamed meanwhile, or a link that leads nowhere
                if error.errno not in (errno.ENOENT, errno.ELOOP):
                    raise
        return sizes

    def size(self, name: str) -> int | None:
        path = self.folder / name
        return path.stat().st_size if is_there(path) else None

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        return read_limited(path, MAX_READ_BYTES) if is_there(path) else None

    def sha256(self, name: str) -> str | None:
        path = self.folder / name
        with named_refusals(path):
            return file_sha256(path) if is_there(path) else None

    def fetch(self, name: str) -> Path:
        path = self.folder / name
        if not is_there(path):
            raise FileNotFoundError(path)
        return path

    def create(self, name: str, file: Path) -> bool:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        try:
            os.link(file, self.folder / name)  # unlike a rename, this fails if the name is taken
        except FileExistsError:
            return False
        except PermissionError:  # file systems without hard links; equal bytes then replace each other
            file.replace(self.folder / name)
            return True
        file.unlink()
        return True

    def write(self, name: str, data: bytes) -> None:
        with replace_when_complete(self.folder / name) as temporary:
            temporary.write_bytes(data)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def part(self, name: str) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot write output ({error.strerror})", file=self.folder, remedy="choose a writable output folder"
            ) from error
        return self.folder / f"{name}.part.{this_writer()}"

    def save_part(self, name: str) -> None:
        """It lies in the folder already."""

    def parts(self, name: str) -> list[Path]:
        return sorted(self.folder.glob(f"{name}.part.*"))

    def sweep(self, name: str | None = None) -> None:
        if name is not None:
            self.part(name).unlink(missing_ok=True)
            return
        for present in self.sizes():
            if is_part(present) and writer_is_gone(self.folder / present):
                self.delete(present)


def this_writer() -> str:
    """Host and process: two containers that share a folder have equal process numbers."""
    return f"{socket.gethostname()}.{os.getpid()}"


def writer_is_gone(file: Path) -> bool:
    """Whether the process whose :func:`this_writer` ends a name can no longer go on with that file."""
    process = file.name.rpartition(".")[2]
    if file.name.endswith(f".{socket.gethostname()}.{process}") and re.fullmatch("[0-9]{1,9}", process):
        return not _is_alive(int(process))
    try:
        return time.time() - file.stat().st_mtime > STALE_AFTER_S
    except FileNotFoundError:
        return True


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def copy_start(source: Path, target: Path, length: int) -> None:
    """Make ``target`` the first ``length`` bytes of ``source``."""
    with source.open("rb") as reader, target.open("wb") as writer:
        left = length
        while left:
            block = reader.read(min(left, 2**20))
            if not block:
                raise EOFError(f"{source} has fewer than {length} bytes")
            writer.write(block)
            left -= len(block)
