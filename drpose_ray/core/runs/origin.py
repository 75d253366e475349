"""What a long job's result depends on, by content, so that a run is continued as what it is or not at all.

Settings count by value, files by their bytes, datasets by their manifest. Where a file lies is no part of it: the next
attempt may see the same bytes under another path, as every job on a cluster does that unpacks its working folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drpose_ray.core.errors import AnotherRunError, InputError, missing_weights
from drpose_ray.core.files.publish import file_sha256, write_json
from drpose_ray.core.files.reading import list_files

_SHORT = 12
_FORMAT = 2  # 1 had the settings of version 0.1.0's names


class FileHashes:
    """sha256 of files, each computed once per run: a file that nothing has touched since is not read again."""

    def __init__(self, record: Path | None = None) -> None:
        """``record`` is where they are kept from one attempt to the next; a damaged one costs time only."""
        self._record = record
        try:
            known = json.loads(record.read_text()) if record else {}
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[Any]] = known if isinstance(known, dict) else {}

    def of_file(self, path: Path, field: str) -> str:
        """Hash of one file's bytes. Raises InputError, naming the setting ``field``, if it cannot be read."""
        try:
            stat = path.stat()
            # Two predictors are of one size, and copies may keep one time; the other two are the file system's own.
            seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = self._known.get(str(path))
            if isinstance(known, list) and known[:-1] == seen:
                return str(known[-1])
            content = file_sha256(path)
        except FileNotFoundError as error:
            raise InputError("no such file", file=path, field=field, remedy=missing_weights(path)) from error
        self._known[str(path)] = [*seen, content]
        if self._record:
            write_json(self._record, self._known)
        return content

    def of_folders(self, folder: Path, parts: Iterable[str], field: str) -> str:
        """Hash of the names and bytes of all files in some folders of ``folder``; hidden ones are nobody's."""
        digest = hashlib.sha256()
        for part in parts:
            for path in list_files(folder / part) if (folder / part).is_dir() else []:
                digest.update(f"{path.relative_to(folder)}:{self.of_file(path, field)}\n".encode())
        return digest.hexdigest()


def continue_as(
    file: Path, origin: Mapping[str, Any], *, begun: bool, noun: str, remedies: Mapping[str, str] | None = None
) -> None:
    """Record ``origin`` in ``file``; where something was ``begun`` there already, only under the same.

    Raises AnotherRunError if what was begun depends on something else, or was left by a version that did not record it.
    """
    values = as_json(origin)
    if begun:
        refuse_another(read_origin(file, noun), values, file=file.parent, noun=noun, remedies=remedies)
    write_json(file, {"format": _FORMAT, "origin": values})


def read_origin(file: Path, noun: str) -> dict[str, Any]:
    """What ``continue_as`` recorded. Raises AnotherRunError if it did not."""
    try:
        stored = json.loads(file.read_text())
        if stored["format"] == _FORMAT and isinstance(stored["origin"], dict):
            return dict(stored["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise AnotherRunError(
        f"it is not recorded what {noun} depend on: an earlier version of drpose_ray made them, or the record is lost",
        file=file, remedy="choose a new run folder, or delete them to begin again",
    )  # fmt: skip


def refuse_another(
    begun: Mapping[str, Any],
    origin: Mapping[str, Any],
    *,
    file: Path,
    noun: str,
    remedies: Mapping[str, str] | None = None,
) -> None:
    """Raise AnotherRunError for the first name on which two origins differ, with that name's remedy if there is one."""
    for name in (*origin, *(name for name in begun if name not in origin)):
        before, now = begun.get(name), origin.get(name)
        if before != now:
            raise AnotherRunError(
                f"the run folder holds {noun} made with another {name} ({_short(before)!r})", file=file, field=name,
                value=_short(now),
                remedy=(remedies or {}).get(name, f"choose a new run folder, or delete this one's {noun}"),
            )  # fmt: skip


def say_resuming(what: str, done: int, total: int) -> None:
    """The first line of a run that goes on, if anything was done before."""
    if done:
        print(f"resuming after {what} {done} of {total}", flush=True)


def as_json(origin: Mapping[str, Any]) -> dict[str, Any]:
    """``origin`` as it is read back: tuples as lists."""
    values: dict[str, Any] = json.loads(json.dumps(dict(origin)))
    return values


def _short(value: Any) -> Any:
    """A hash by its beginning, which tells two apart."""
    is_hash = isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")
    return f"content {value[:_SHORT]}" if is_hash else value
