"""The members of a shard's tar, where they lie in it. Only what our writer writes is read: nothing is followed or made.

A tar can also hold links, devices, folders, sparse files and names that lead elsewhere. Members here are plain files
whose names are those of a record's parts, and everything else is refused by name.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from drpose_ray.datasets.record import MEMBER_PATTERN

MAX_MEMBER_BYTES: Final = 256 * 2**20
"""Of a picture or an array; the largest that are written take a tenth."""

_BLOCK: Final = tarfile.BLOCKSIZE
_PLAIN: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)
_MAX_EXTENSION_BYTES: Final = 8192
"""Of a header that stands before a member and says more of it: a long name, or pax's times and owners."""
_KINDS: Final = {
    tarfile.LNKTYPE: "a hard link", tarfile.SYMTYPE: "a symbolic link", tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device", tarfile.DIRTYPE: "a folder", tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}  # fmt: skip
_PAX_RECORD: Final = re.compile(rb"(\d{1,5}) ([^=\n]{1,100})=")


@dataclass(frozen=True)
class Member:
    """One file of a tar."""

    name: str
    start: int
    """Where its headers begin."""
    offset: int
    """Where its content begins, ``size`` bytes."""
    size: int

    @property
    def end(self) -> int:
        """Where the next member begins: content is filled up to whole blocks."""
        return self.offset + -(-self.size // _BLOCK) * _BLOCK


def members_in(file: BinaryIO) -> Iterator[Member]:
    """The members of an open tar in stored order, up to its end mark or the end of the file.

    Raises ValueError or ``tarfile.TarError`` at the first that is torn, or is no plain file with the name of a part of
    a record; those before it have been given.
    """
    size, at = os.fstat(file.fileno()).st_size, 0
    while (block := os.pread(file.fileno(), _BLOCK, at)).strip(b"\0"):
        start, name = at, None
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        while header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            if not 0 <= header.size <= _MAX_EXTENSION_BYTES:
                raise ValueError(f"a header of {header.size} bytes")
            content = os.pread(file.fileno(), header.size, at + _BLOCK)
            longer = _long_name(content) if header.type == tarfile.GNUTYPE_LONGNAME else _pax_name(content)
            name = name if longer is None else longer
            at += _BLOCK + -(-header.size // _BLOCK) * _BLOCK
            header = tarfile.TarInfo.frombuf(os.pread(file.fileno(), _BLOCK, at), "utf-8", "strict")
        member = Member(header.name if name is None else name, start, at + _BLOCK, header.size)
        if header.type not in _PLAIN:
            raise ValueError(f"the member {member.name!r} is {_KINDS.get(header.type, 'of an unknown kind')}")
        if not re.fullmatch(MEMBER_PATTERN, member.name):
            raise ValueError(f"the member {member.name[:300]!r} is no part of a record")
        if not 0 <= member.size <= MAX_MEMBER_BYTES:
            raise ValueError(f"the member {member.name} has {member.size} bytes, more than {MAX_MEMBER_BYTES}")
        if member.end > size:
            raise ValueError(f"the member {member.name} is cut short")
        yield member
        at = member.end


def _long_name(content: bytes) -> str:
    return content.rstrip(b"\0").decode()


def _pax_name(content: bytes) -> str | None:
    """The name that a pax header gives, if it does. What would change where content lies is refused."""
    name, rest = None, content
    while rest:
        found = _PAX_RECORD.match(rest)
        if not found or not found.end() < int(found[1]) <= len(rest):
            raise ValueError("a pax header that cannot be read")
        keyword, value = found[2], rest[found.end() : int(found[1]) - 1]
        if keyword in (b"size", b"linkpath") or keyword.startswith(b"GNU.sparse"):
            raise ValueError(f"a pax header with {keyword.decode(errors='replace')!r}")
        if keyword == b"path":
            name = value.decode()
        rest = rest[int(found[1]) :]
    return name
