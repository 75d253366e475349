"""The elements of a PLY file as arrays, in every form of the format: text, either order of bytes, lists of any lengths.

Why not by a library: docs/adr/0015-glb-and-ply-by-our-own-readers.md.
"""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

_MAX_HEADER_BYTES: Final = 2**16
_TYPES: Final = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip
_ORDERS: Final[dict[str, Literal["<", ">"]]] = {"binary_little_endian": "<", "binary_big_endian": ">"}
_TEXT: Final = "ascii"
_CHUNK: Final = 2**18


class BrokenPlyError(ValueError):
    """What is wrong with the file."""


@dataclass(frozen=True)
class Property:
    """A number of each row, or a list of numbers if there is a type of its length."""

    name: str
    dtype: np.dtype[Any]
    length: np.dtype[Any] | None = None


@dataclass
class Element:
    """As the header declares it."""

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)


@dataclass(frozen=True)
class Lists:
    """The lists of N rows, one after another."""

    lengths: NDArray[np.int64]  # (N,)
    values: NDArray[Any]  # (sum of lengths,)


@dataclass(frozen=True)
class Header:
    """What the file says before its numbers begin at byte ``end``."""

    form: str
    comments: list[str]
    elements: list[Element]
    end: int


Columns = dict[str, "NDArray[Any] | Lists"]


def read_header(data: bytes) -> Header:
    """Raises BrokenPlyError for what is no header of a PLY."""
    match = re.search(rb"(?:^|\n)end_header[ \t]*(?:\r\n|\n|\r)", data[:_MAX_HEADER_BYTES])
    if not data.startswith(b"ply") or match is None:
        raise BrokenPlyError("no PLY header")
    _, *lines = data[: match.start()].decode("utf-8", "replace").splitlines()
    form, comments, elements = "", list[str](), list[Element]()
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "format":
            form = rest.split()[0] if rest.split() else ""
        elif word in {"comment", "obj_info"}:
            comments.append(rest.strip())
        elif word == "element":
            elements.append(_element(rest))
        elif word == "property":
            if not elements:
                raise BrokenPlyError("a property of no element")
            elements[-1].properties.append(_property(rest))
        elif word:
            raise BrokenPlyError(f"a line {line.strip()[:40]!r} in its header")
    if form != _TEXT and form not in _ORDERS:
        raise BrokenPlyError(f"the format {form[:40]!r}")
    return Header(form, comments, elements, match.end())


def read_elements(data: bytes, header: Header) -> dict[str, Columns]:
    """The numbers of every element, by its name and the names of its properties; whole numbers of text are float64.

    Raises:
        BrokenPlyError: the file has fewer numbers than its header says, or as text more.
        struct.error: the file ends within a list.
    """
    text = header.form == _TEXT
    body = _as_numbers(data[header.end :]) if text else data[header.end :]

    def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype("<f8") if text else dtype.newbyteorder(_ORDERS[header.form])

    elements: dict[str, Columns] = {}
    place = 0
    for element in header.elements:
        properties = [
            Property(p.name, stored(p.dtype), None if p.length is None else stored(p.length))
            for p in element.properties
        ]
        columns, place = _read(body, place, element, properties)
        elements[element.name] = _rounded(columns, element) if text else columns
    if text and place != len(body):
        raise BrokenPlyError(f"{(len(body) - place) // 8} numbers more than its header says")
    return elements


def _element(text: str) -> Element:
    match = re.fullmatch(r"(\S+)\s+(\d{1,18})", text.strip())
    if not match:
        raise BrokenPlyError(f"an element {text.strip()[:40]!r}")
    return Element(match[1], int(match[2]))


def _property(text: str) -> Property:
    words = text.split()
    try:
        if len(words) == 4 and words[0] == "list":
            return Property(words[3], np.dtype(_TYPES[words[2]]), np.dtype(_TYPES[words[1]]))
        kind, name = words
        return Property(name, np.dtype(_TYPES[kind]))
    except (KeyError, ValueError) as error:
        raise BrokenPlyError(f"a property {text.strip()[:40]!r}") from error


def _as_numbers(text: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns of what is no number
        try:
            return np.fromstring(text, np.float64, sep=" ").astype("<f8").tobytes()
        except (ValueError, DeprecationWarning) as error:
            raise BrokenPlyError("words where numbers belong") from error


def _rounded(columns: Columns, element: Element) -> Columns:
    """Fractions of text as precise as the header says they are."""
    types = {p.name: p.dtype for p in element.properties if p.dtype.kind == "f"}
    rounded = dict(columns)
    for name in types.keys() & columns.keys():
        column = columns[name]
        if isinstance(column, Lists):
            rounded[name] = Lists(column.lengths, column.values.astype(types[name]))
        else:
            rounded[name] = column.astype(types[name])
    return rounded


def _read(body: bytes, place: int, element: Element, properties: list[Property]) -> tuple[Columns, int]:
    """The columns of one element that begins at ``place``, and where it ends."""
    names = [p.name for p in properties]
    if len(set(names)) < len(names):
        raise BrokenPlyError(f"two properties {element.name} of one name")
    if not element.count or not properties:
        return {}, place
    lengths = _first_lengths(body, place, properties)
    # Most files have lists of one length: then all rows are of one type. Fields are numbered, as names may clash.
    fields: list[tuple[str, np.dtype[Any]] | tuple[str, np.dtype[Any], int]] = []
    for number, p in enumerate(properties):
        if p.length is None:
            fields.append((f"v{number}", p.dtype))
        else:
            fields += [(f"n{number}", p.length), (f"v{number}", p.dtype, lengths[number])]
    row = np.dtype(fields)
    end = place + element.count * row.itemsize
    if end <= len(body):
        rows = np.frombuffer(body, row, element.count, place)
        if all((rows[f"n{number}"] == length).all() for number, length in lengths.items()):
            columns: Columns = {}
            for number, p in enumerate(properties):
                values = rows[f"v{number}"]
                if p.length is not None:
                    columns[p.name] = Lists(np.full(element.count, lengths[number]), values.reshape(-1))
                else:
                    columns[p.name] = values
            return columns, end
    if not lengths:
        raise BrokenPlyError(f"fewer than {element.count} elements {element.name!r}")
    return _walk(body, place, element, properties)


def _first_lengths(body: bytes, place: int, properties: list[Property]) -> dict[int, int]:
    """Lengths of the first row's lists, by the number of the property."""
    lengths: dict[int, int] = {}
    for number, p in enumerate(properties):
        if p.length is not None:
            lengths[number] = _length(struct.unpack_from(_code(p.length), body, place)[0], len(body))
            place += p.length.itemsize + lengths[number] * p.dtype.itemsize
        else:
            place += p.dtype.itemsize
    return lengths


def _length(number: float, most: int) -> int:
    if not 0 <= number <= most or number != int(number):
        raise BrokenPlyError(f"a list of {number} numbers")
    return int(number)


def _walk(body: bytes, place: int, element: Element, properties: list[Property]) -> tuple[Columns, int]:
    """As ``_read``, row by row, for lists of several lengths."""
    starts = np.empty((len(properties), element.count), np.int64)
    lengths = np.ones((len(properties), element.count), np.int64)
    steps = [
        (number, p.dtype.itemsize, None if p.length is None else struct.Struct(_code(p.length)))
        for number, p in enumerate(properties)
    ]
    most = len(body)
    for k in range(element.count):
        for number, size, length in steps:
            if length is None:
                starts[number, k] = place
                place += size
            else:
                count = _length(length.unpack_from(body, place)[0], most)
                starts[number, k] = place = place + length.size
                lengths[number, k] = count
                place += count * size
    if place > most:
        raise BrokenPlyError(f"fewer than {element.count} elements {element.name!r}")
    columns: Columns = {}
    for number, p in enumerate(properties):
        values = _gathered(body, p.dtype, starts[number], lengths[number])
        columns[p.name] = values if p.length is None else Lists(lengths[number], values)
    return columns, place


def _gathered(body: bytes, dtype: np.dtype[Any], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """The numbers of all lists, one list after another; ``starts`` (N,) are their first bytes."""
    source, parts = np.frombuffer(body, np.uint8), []
    for first in range(0, len(starts), _CHUNK):
        counts = lengths[first : first + _CHUNK]
        nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts[first : first + _CHUNK], counts) + nth * dtype.itemsize
        parts.append(source[places[:, None] + np.arange(dtype.itemsize)].view(dtype)[:, 0])
    return np.concatenate(parts)


def _code(dtype: np.dtype[Any]) -> str:
    """The type of one number for ``struct``."""
    return (">" if dtype.byteorder == ">" else "<") + dtype.char.replace("l", "q").replace("L", "Q")
