"""Publishing files whole: written under a temporary name, synced, then renamed into place."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drpose_ray.core.errors import InputError, is_no_space
from drpose_ray.core.secrets import redact_values


@contextmanager
def writable(file: Path, problem: str = "cannot write output") -> Iterator[None]:
    """Within the block a file or folder is made. Raises InputError, naming ``file``, if it may not be made there.

    A disk that is full stays an OSError, which ``core.errors.no_space`` explains.
    """
    try:
        yield
    except OSError as error:
        if is_no_space(error):
            raise
        raise InputError(
            f"{problem} ({error.strerror})", file=file, remedy="choose a writable output folder"
        ) from error


@contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error.

    A reader therefore sees either the old file, or the new one, or none: never half of one.
    Raises InputError if the folder cannot be written, or ``path`` is something else than a file.
    """
    # Host and process: two containers that share a folder have equal process numbers.
    temporary = path.with_name(f"{path.name}.tmp.{socket.gethostname()}.{os.getpid()}")
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # root may rename over a device, and would
            raise InputError("cannot write output (no file, but a device or a folder)", file=path, remedy="name a file")
        temporary.touch()
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # it must not stand in for the error of the block
            temporary.unlink()


def write_json(path: Path, value: Any) -> None:
    """Publish ``value`` as JSON with sorted keys, so that equal values have equal bytes; URIs without credentials."""
    with replace_when_complete(path) as temporary:
        temporary.write_text(json.dumps(redact_values(value), indent=2, sort_keys=True, allow_nan=False) + "\n")


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
