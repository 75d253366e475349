"""Files of scans as the file system gives them: what it says of one file for good is an InputError of that file.

A disk or a network that fails (EIO, ESTALE, time-outs) stays an OSError: another attempt may read the file, and who
fans out makes one (``synthesis.pose_to_image.generate_record``).
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from drpose_ray.errors import InputError

_NO_SUCH_NAME: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
_OF_THE_FILE: Final = _NO_SUCH_NAME | {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO}


@contextmanager
def named_refusals(file: Path, field: str = "file") -> Iterator[None]:
    """Raises InputError for an OSError within the block that another attempt would meet again: names, permissions."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_FILE:
            raise
        raise InputError(
            f"cannot be read ({error.strerror})", file=file, field=field,
            remedy="give a readable file, in a folder that may be searched",
        ) from error  # fmt: skip


def is_there(file: Path, field: str = "file") -> bool:
    """Whether ``file`` is a file. A name that no file can have, as one of 300 letters, is none.

    Raises:
        InputError: its folder may not be searched.
        OSError: the disk failed, and does not tell.
    """
    with named_refusals(file, field):
        try:
            return stat.S_ISREG(file.stat().st_mode)
        except ValueError:  # a NUL in the name
            return False
        except OSError as error:
            if error.errno in _NO_SUCH_NAME:
                return False
            raise


def read_limited(file: Path, max_bytes: int, setting: str, field: str = "file") -> bytes:
    """The bytes of ``file``.

    Raises:
        InputError: it is missing, no file, may not be read, or is larger than ``max_bytes``, which ``setting`` names.
        OSError: the disk failed.
    """
    with named_refusals(file, field):
        described = file.stat()
        if not stat.S_ISREG(described.st_mode):
            raise InputError("not a file", file=file, field=field, remedy="give a file")
        if described.st_size > max_bytes:
            raise InputError(
                f"the file is larger than {max_bytes} bytes", file=file, field=setting, value=described.st_size,
                remedy="raise the limit if the file is what it should be, else leave the scan out",
            )  # fmt: skip
        return file.read_bytes()
