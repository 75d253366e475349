"""Writing one shard: a tar whose name and bytes depend on its records alone, then its sidecar as marker.

While it is written it is a *part*, and a part is never lost: whoever builds the shard next takes over the records that
are whole and goes on after them, and sees how many before it ended while they drew the next.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from drpose_ray.core.errors import InputError, is_no_space
from drpose_ray.datasets.manifest import create_sidecar, shard_name
from drpose_ray.datasets.record import SequenceRecord, encode_members
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.scan_tar import Tally, TarRecord, describe_shard, whole_records
from drpose_ray.datasets.store.open import open_store
from drpose_ray.datasets.store.store import Store, copy_start, writer_is_gone

SAVE_PART_EVERY_S: Final = 60.0
"""How much work a lost machine may cost where parts do not lie in a shared folder."""

_DRAWING: Final = b"a record is being drawn\n"
"""Stands behind the whole records of a part from ``begin`` to ``add``, which writes over it."""


def write_shard(location: Path | str, shard_id: int, records: Iterable[SequenceRecord]) -> ShardRow:
    """Write ``records`` (consumed one at a time) as one shard.

    If ``records`` raises, nothing is published. Raises InputError if the place cannot be written and ValueError if
    two records have the same key.
    """
    with ShardWriter(open_store(location), shard_id) as writer:
        for record in records:
            writer.add(record)
        return writer.publish()


class ShardWriter:
    """One attempt at a shard. Records are added in their order; with ``keys``, the first may be there already.

    An error within the block leaves the part for the next attempt if ``keys`` are given, and nothing otherwise.
    """

    def __init__(self, store: Store, shard_id: int, keys: Sequence[str] | None = None, origin: str = "") -> None:
        """``keys`` of all records and their ``origin`` (``DatasetIdentity``) make an earlier attempt's part usable.

        Raises InputError if the place cannot be written.
        """
        self._store, self._name, self._keys = store, shard_name(shard_id), keys
        self._part_name = f"{self._name}.{origin}" if origin else self._name
        self._tally = Tally()
        self._begun_at: int | None = None
        self._deaths = 0
        self._part = store.part(self._part_name)
        start = self._take_over(keys) if keys is not None else 0
        try:
            self._file = self._part.open("r+b" if start else "wb")
        except OSError as error:
            raise InputError(
                f"cannot write output ({error.strerror})", file=self._part.parent, remedy="choose a writable folder"
            ) from error
        if start:
            self._file.seek(start)
            self._file.truncate()
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - in publish
        self._saved_at = time.monotonic()

    @property
    def num_written(self) -> int:
        """Records that need not be added any more."""
        return len(self._tally.keys)

    @property
    def num_deaths(self) -> int:
        """How many writers on this machine ended without a word, killed or crashed, while they drew the next record."""
        return self._deaths

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(OSError):  # a full disk fails again here; publish has flushed what it needs
            self._file.close()
        if self._begun_at is not None:  # an error has been told: this is no death
            with contextlib.suppress(OSError):
                os.truncate(self._part, self._begun_at)
        if error is not None and self._keys is not None:
            self._save_part()
        else:
            self._store.sweep(self._part_name)

    def begin(self) -> None:
        """Note that the next record is being drawn, so that those who come after a death know at which."""
        self._begun_at = self._file.tell()
        try:
            self._file.write(_DRAWING)
            self._file.flush()
        except OSError as error:
            raise _clear(error, self._part) from error
        self._file.seek(self._begun_at)

    def add(self, record: SequenceRecord) -> None:
        """Append ``record`` and hand its bytes to the operating system."""
        self._refuse_twice(record.key)
        self._begun_at, self._deaths = None, 0
        try:
            for name, data in encode_members(record):
                self._tar.addfile(_plain_member(name, len(data)), io.BytesIO(data))
            self._file.flush()
        except OSError as error:
            raise _clear(error, self._part) from error
        self._tally.add(record)
        self._save_part_in_time()

    def copy(self, source: BinaryIO, record: TarRecord) -> None:
        """Append a record of another shard as it is, without decoding it."""
        self._refuse_twice(record.header.key)
        content = os.pread(source.fileno(), record.end - record.start, record.start)
        if len(content) != record.end - record.start:
            raise EOFError(f"record {record.header.key} was cut short while it was copied")
        try:
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise _clear(error, self._part) from error
        self._tar.offset += record.end - record.start  # closing pads to a whole block
        self._tally.add(record.header)
        self._save_part_in_time()

    def _refuse_twice(self, key: str) -> None:
        if key in self._tally.keys:
            raise ValueError(f"two records have the key {key}")

    def _save_part_in_time(self) -> None:
        if time.monotonic() - self._saved_at > SAVE_PART_EVERY_S:
            self._save_part()

    def publish(self) -> ShardRow:
        """Publish the tar, then its sidecar. If another attempt was first, its shard stays and its row is returned."""
        try:
            self._tar.close()
            self._file.flush()
            row = self._tally.row(self._part, self._name)
            while not self._store.create(self._name, self._part):
                existing = describe_shard(self._store.fetch(self._name), self._name)
                if existing.sequences == row.sequences:  # drawn elsewhere, on another kind of machine
                    row = existing
                    break
                self._store.delete(self._name)  # torn: its writer died before it looked
        except FileNotFoundError:  # the other attempt was so much faster that it has swept the parts too
            row = describe_shard(self._store.fetch(self._name), self._name)
        except OSError as error:
            raise _clear(error, self._part) from error
        return create_sidecar(self._store, row)

    def _take_over(self, keys: Sequence[str]) -> int:
        """Copy the longest start of the shard that anybody wrote, count it, and return its bytes."""
        starts = [(_whole_bytes(part, keys), part) for part in self._store.parts(self._part_name)]
        length, source = max([(0, self._part), *starts])
        self._deaths = sum(start == length and _died_drawing(part, start) for start, part in starts)
        if length == 0:
            return 0
        for record in whole_records(source):
            if record.end <= length:
                self._tally.add(record.header)
        if source != self._part:
            copy_start(source, self._part, length)
        return length

    def _save_part(self) -> None:
        self._store.save_part(self._part_name)
        self._saved_at = time.monotonic()


def _whole_bytes(part: Path, keys: Sequence[str]) -> int:
    """Bytes of the records of ``part`` that are whole and those of ``keys``."""
    known = takewhile(lambda pair: pair[0].header.key == pair[1], zip(whole_records(part), keys, strict=False))
    return max((record.end for record, _ in known), default=0)


def _died_drawing(part: Path, start: int) -> bool:
    """Whether nobody goes on with ``part``, and it ends with the mark of a record that was begun."""
    with part.open("rb") as file:
        file.seek(start)
        return file.read(len(_DRAWING) + 1) == _DRAWING and writer_is_gone(part)


def _plain_member(name: str, size: int) -> tarfile.TarInfo:
    # TarInfo's defaults are a fixed mode, uid, gid and mtime 0; only name and size vary.
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _clear(error: OSError, part: Path) -> Exception:
    """What to say of a disk that is full; other errors as they are."""
    if not is_no_space(error):
        return error
    return InputError(
        "no space left for the shards; everything written so far is kept",
        file=part.parent,
        value=str(error),
        remedy="free space, then run the same command again: it goes on after the last whole sequence",
    )
