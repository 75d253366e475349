"""What a file may be instead of what it should be: everything that the field's disks, downloads and enemies leave."""

from __future__ import annotations

import functools
import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.scans.mutations import mutated

MUTATIONS = 22
Damage = Callable[[Path, Path], None]
"""Spoils the file (first path); a marker (second path) appears if somebody runs what is in it."""


class Payload:
    """An object that writes its marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def _bytes(change: Callable[[bytes], bytes]) -> Damage:
    return lambda file, _: _write(file, change(file.read_bytes()))


def _write(file: Path, data: bytes) -> None:
    file.write_bytes(data)


def _pickle(file: Path, marker: Path) -> None:
    file.write_bytes(pickle.dumps({"a": Payload(marker)}))


def _pickled_members(file: Path, marker: Path) -> None:
    """A zip archive all of whose members, whatever they are called in the sound file, are arrays with a payload."""
    names = _members(file)
    stream = io.BytesIO()
    np.save(stream, np.array([Payload(marker)], object), allow_pickle=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, stream.getvalue())


def _torch_pickle(file: Path, marker: Path) -> None:
    import torch

    torch.save({"a": Payload(marker)}, file)


def _bomb(file: Path, _: Path) -> None:
    """256 MB of zeros in 256 kB, under the name of the sound file's first member."""
    file.write_bytes(_archive_of_zeros(_members(file)[0]))


@functools.cache
def _archive_of_zeros(name: str) -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000,), }".ljust(117) + b"\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(2**28))
    return stream.getvalue()


def _members(file: Path) -> list[str]:
    if not zipfile.is_zipfile(file):
        return ["a.npy"]
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def _replaced(make: Callable[[Path], None]) -> Damage:
    def replace(file: Path, _: Path) -> None:
        file.unlink()
        make(file)

    return replace


_NOISE = np.random.default_rng(0).bytes(4096)
_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>403</body></html>\n"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456789\n"

DAMAGES: dict[str, Damage] = {
    "empty": _bytes(lambda _: b""),
    "one byte": _bytes(lambda data: data[:1]),
    "half of it": _bytes(lambda data: data[: len(data) // 2]),
    "without its last byte": _bytes(lambda data: data[:-1]),
    "twice": _bytes(lambda data: data + data),
    "zeros": _bytes(lambda data: bytes(len(data))),
    "noise": _bytes(lambda _: _NOISE),
    "a page of a web site": _bytes(lambda _: _PAGE),
    "a pointer of Git LFS": _bytes(lambda _: _POINTER),
    "compressed": _bytes(gzip.compress),
    "UTF-16": _bytes(lambda data: data.decode("latin-1").encode("utf-16")),
    "a million brackets": _bytes(lambda _: b"[" * 10**6),
    "numbers too long": _bytes(lambda data: data + b"9" * 20_000),
    "a pickle": _pickle,
    "an archive of pickles": _pickled_members,
    "a checkpoint with a pickle": _torch_pickle,
    "a bomb": _bomb,
    "a device": _replaced(lambda file: file.symlink_to("/dev/zero")),
    "a pipe": _replaced(os.mkfifo),
    "a folder": _replaced(Path.mkdir),
    "a link to nothing": _replaced(lambda file: file.symlink_to(file.with_name("nothing"))),
    "a link to itself": _replaced(lambda file: file.symlink_to(file)),
    "not there": _replaced(lambda _: None),
} | {
    f"mutation {seed}": _bytes(lambda data, seed=seed: mutated(data, np.random.default_rng(seed)))  # type: ignore[misc]
    for seed in range(MUTATIONS)
}
