"""Files that a user brings: found, bounded, and read as text or JSON, each failure one InputError that names the file.

What the file system says of one file for good (no such name, no permission, a device) is an InputError of that file. A
disk or a network that fails (EIO, ESTALE, time-outs) stays an OSError: another attempt may read the file.
"""

from __future__ import annotations

import codecs
import errno
import json
import lzma
import os
import stat
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from drpose_ray.core.errors import InputError, printable
from drpose_ray.core.secrets import redact

UNREADABLE: Final = (
    OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, MemoryError,
    RuntimeError, SyntaxError, struct.error, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError,
    tokenize.TokenError,
)  # fmt: skip
"""What the libraries that decode files raise for damaged ones: the one list, for every reader."""

MAX_TEXT_BYTES: Final = 64 * 2**20
"""Of a text file whose reader states no limit of its own: tables, lists, configurations."""
MAX_FILES: Final = 5_000_000
MAX_FOLDERS: Final = 200_000
"""Of one listing; folders linked crosswise or a mistaken path (``/``) end here and not in hours: a dozen folders with
links to each other make a billion paths.
"""

_NO_SUCH_NAME: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
_OF_THE_FILE: Final = _NO_SUCH_NAME | {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO}
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_LONGEST_REASON: Final = 200


@contextmanager
def named_refusals(file: Path, field: str = "file") -> Iterator[None]:
    """Raises InputError for an OSError within the block that another attempt would meet again: names, permissions."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_FILE:
            raise
        remedy = "give a readable file, in a folder that may be searched"
        if error.errno in _NO_SUCH_NAME:
            remedy = "correct the name; one that does not begin with / counts from the folder you are in"
        raise InputError(f"cannot be read ({error.strerror})", file=file, field=field, remedy=remedy) from error


@contextmanager
def refusing(
    file: str | Path | None, field: str, problem: str, remedy: str, also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Within the block a library decodes ``file``; what it raises for a damaged one becomes one InputError.

    Args:
        problem: What could not be done, such as "the texture cannot be decoded"; the library's words are added.
        also: Errors that this library raises beside those of :data:`UNREADABLE`.

    An InputError passes as it is, and so does an OSError of the disk (see the module's docstring).
    """
    caught: tuple[type[Exception], ...] = (*UNREADABLE, *also)
    try:
        yield
    except InputError:
        raise
    except caught as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _OF_THE_FILE:
            raise
        raise InputError(f"{problem} ({reason(error)})", file=file, field=field, remedy=remedy) from error


def reason(error: BaseException) -> str:
    """What ``error`` says, on one short line of printable text."""
    return redact(printable(" ".join(str(error).split())))[:_LONGEST_REASON] or type(error).__name__


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


def read_limited(
    file: Path, max_bytes: int, setting: str = "size", field: str = "file", remedy: str | None = None
) -> bytes:
    """The bytes of ``file``. Devices, pipes and folders are refused without being opened for waiting.

    Args:
        setting: The name of the limit, the field of the refusal of a larger file.
        remedy: What to do about a larger file.

    Raises:
        InputError: it is missing, no file, may not be read, is larger than ``max_bytes``, or is the pointer that Git
            LFS leaves where a file was not fetched.
        OSError: the disk failed.
    """
    with named_refusals(file, field):
        try:
            described = file.stat()
        except ValueError as error:
            raise InputError(
                "no file can have this name", file=repr(str(file)), field=field, remedy="correct the name"
            ) from error
        if not stat.S_ISREG(described.st_mode):
            raise InputError("not a file", file=file, field=field, remedy="give a file")
        if described.st_size > max_bytes:
            raise InputError(
                f"the file is larger than {max_bytes} bytes", file=file, field=setting, value=described.st_size,
                remedy=remedy or "raise the limit if the file is what it should be, else leave it out",
            )  # fmt: skip
        data = file.read_bytes()
    if data.startswith(_LFS_POINTER) and len(data) < 1024:
        raise InputError(
            "only the pointer that Git LFS leaves for a file that was not fetched", file=file, field=field,
            remedy="run 'git lfs pull' in its repository, or download the file itself",
        )  # fmt: skip
    return data


def read_text(file: Path, max_bytes: int = MAX_TEXT_BYTES, field: str = "file") -> str:
    """The text of a UTF-8 file, with or without a byte-order mark. Raises as ``read_limited``, and for other text."""
    return decode_text(read_limited(file, max_bytes, field=field), file, field)


def decode_text(data: bytes, file: Path, field: str = "file") -> str:
    """As ``read_text``, of bytes that were read already."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError("the text is UTF-16", file=file, field=field, remedy="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text (byte {error.start})", file=file, field=field, remedy="save it as UTF-8"
        ) from error


def read_json(file: Path, max_bytes: int = MAX_TEXT_BYTES, field: str = "file") -> Any:
    """The value in a JSON file. Raises as ``read_text``, and InputError for what is no JSON, however deep or long."""
    text = read_text(file, max_bytes, field)
    with refusing(file, field, "not valid JSON", "copy or write the file again"):
        return json.loads(text)


def list_files(
    folder: Path, suffixes: Collection[str] = (), *, recursive: bool = True, field: str = "file"
) -> list[Path]:
    """The files of ``folder`` whose suffix, in lower case, is one of ``suffixes`` (of any, if none are given), sorted.

    Linked files and folders are followed, each real folder once along one path, so that a loop of links ends. Hidden
    entries are left out: ``._x`` is macOS's shadow of ``x``, and ``.git`` no data.

    Raises:
        InputError: ``folder`` or one below it may not be listed, or there are more than :data:`MAX_FILES` files or
            :data:`MAX_FOLDERS` folders.
        OSError: the disk failed.
    """
    return [path for path in _walk(folder, recursive, field) if not suffixes or path.suffix.lower() in suffixes]


def list_folders(folder: Path, accept: Callable[[Path], bool], field: str = "file") -> list[Path]:
    """The folders below ``folder`` that ``accept``, sorted; links and hidden entries as in ``list_files``."""
    found: list[Path] = []
    list(_walk(folder, recursive=True, field=field, on_folder=found.append))
    return sorted(path for path in found if accept(path))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is nobody's data: dot files, and the shadows in macOS's archives."""
    return name.startswith(".") or name == "__MACOSX"


def _walk(
    folder: Path, recursive: bool, field: str, on_folder: Callable[[Path], Any] = lambda _: None
) -> Iterator[Path]:
    """Regular files below ``folder``, sorted by path as ``sorted(folder.rglob("*"))`` would be."""
    files: list[Path] = []
    folders = 0
    open_folders: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(folder, ())]
    while open_folders:
        here, above = open_folders.pop()
        folders += 1
        if folders > MAX_FOLDERS:
            raise _too_many(MAX_FOLDERS, "folders", folder, field)
        with named_refusals(here, field):
            described = here.stat()
            identity = (described.st_dev, described.st_ino)
            if identity in above:
                continue
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        if above:
            on_folder(here)
        for entry in entries:
            if is_hidden(entry.name):
                continue
            path = here / entry.name
            if _is(entry.is_dir):
                if recursive:
                    open_folders.append((path, (*above, identity)))
            elif _is(entry.is_file):
                files.append(path)
                if len(files) > MAX_FILES:
                    raise _too_many(MAX_FILES, "files", folder, field)
    yield from sorted(files)


def _too_many(limit: int, what: str, folder: Path, field: str) -> InputError:
    return InputError(
        f"more than {limit} {what}, links followed", file=folder, field=field, remedy="name a folder further down"
    )


def _is(kind: Callable[[], bool]) -> bool:
    """A link that leads nowhere or round in a circle is neither a file nor a folder."""
    try:
        return kind()
    except OSError as error:
        if error.errno in _NO_SUCH_NAME:
            return False
        raise
