"""Garments in MakeHuman's format: an ``.mhclo``, which binds each vertex of an ``.obj`` to the base mesh.

A vertex hangs on one vertex of the base mesh (``17277``) or on three, with barycentric weights and an offset in
decimetres of the body that it was made on (``17277 17271 17794 .1 .5 .4 .001 -.002 -.003``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.garments.base_mesh import NAME, NUM_VERTICES
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import decode_text, read_limited

MAX_BYTES: Final = 32 * 2**20
"""Of an ``.mhclo`` and of an ``.obj``; the largest of MakeHuman's own are half a megabyte."""
MAX_VERTICES: Final = 100_000
_MAX_LINE: Final = 2**14
_FARTHEST: Final = 1_000.0
"""Of a weight or an offset: more is no garment, and makes sums lose their digits."""
_REMEDY: Final = "download the garment again, or leave it out of the folder"
_MEASURES: Final = {"x_scale": 0, "y_scale": 1, "z_scale": 2}
_UNREAD: Final = frozenset({"shear_x", "shear_y", "shear_z", "l_shear_x", "l_shear_y", "l_shear_z", "r_shear_x"})


@dataclass(frozen=True)
class Measure:
    """A length of the body along an axis: between the vertices ``first`` and ``second``, ``reference`` decimetres on
    the body that the garment was made on.
    """

    first: int
    second: int
    reference: float


@dataclass(frozen=True)
class MhcloFile:
    """What an ``.mhclo`` says, checked; vertices are those of hm08.

    Attributes:
        tags: in lower case.
        mesh: the ``.obj`` beside it.
        measures: of x, y and z; None where offsets keep their length.
        depth: ``z_depth``: of two garments the one of the larger lies outside.
        vertices: (G, 3) per vertex of the garment, with ``weights`` (G, 3), which sum to one, and ``offsets`` (G, 3).
        hidden: (19158,) the vertices of the base mesh that the garment hides.
        licence: what its comments say, in one line.
    """

    name: str
    tags: frozenset[str]
    mesh: Path
    measures: tuple[Measure | None, Measure | None, Measure | None]
    depth: int
    vertices: NDArray[np.int64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    hidden: NDArray[np.bool_]
    licence: str


def read_mhclo(file: Path, content: bytes | None = None) -> MhcloFile:
    """Read and check ``file``.

    Raises:
        InputError: it is missing, too large, for another base mesh, names vertices or files that are not there or lie
            outside its folder, or holds numbers that are none.
        OSError: the disk failed.
    """
    data = read_limited(file, MAX_BYTES, "bytes", "garments") if content is None else content
    words: dict[str, list[str]] = {}
    tags: set[str] = set()
    rows: list[list[str]] = []
    hidden = np.zeros(NUM_VERTICES, np.bool_)
    in_hidden = False
    text = decode_text(data, file, "garments")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _MAX_LINE:
            raise broken(f"line {number} has {len(line)} letters", file, "line")
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        if parts[0].lstrip("-").isdigit():
            if in_hidden:
                _hide(parts, hidden, file, number)
            else:
                rows.append(parts)
                if len(rows) > MAX_VERTICES:
                    raise broken(f"more than {MAX_VERTICES} vertices", file, "verts")
            continue
        if parts[0] in _UNREAD:
            raise broken("it is fitted with shears, which are not read", file, parts[0])
        in_hidden = parts[0] == "delete_verts"
        if parts[0] == "tag":
            tags.add(" ".join(parts[1:]).lower())
        else:
            words.setdefault(parts[0], parts[1:])
    base = " ".join(words.get("basemesh", []))
    if base != NAME:
        raise InputError(
            "the garment is for another base mesh", file=file, field="basemesh", value=base or "not said",
            remedy=f"use a garment for {NAME}, MakeHuman's base mesh since version 1.0",
        )  # fmt: skip
    vertices, weights, offsets = _bindings(rows, file)
    measures = [_measure(words[name], name, file) if name in words else None for name in _MEASURES]
    return MhcloFile(
        " ".join(words.get("name", [])) or file.stem, frozenset(tags), _mesh(words, file),
        (measures[0], measures[1], measures[2]), _depth(words, file), vertices, weights, offsets, hidden,
        _licence(text),
    )  # fmt: skip


def broken(why: str, file: Path, field: str, value: object = None) -> InputError:
    """The refusal of a garment's file."""
    return InputError(f"not a garment that can be used: {why}", file=file, field=field, value=value, remedy=_REMEDY)


def _licence(text: str) -> str:
    """What a comment says after "license:", or CC0-1.0 where one names CC0, as those of MakeHuman's own assets do."""
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    stated = re.search(r"licen[sc]e:\s*(\S.{0,60})", comments, re.IGNORECASE)
    if stated:
        return stated[1].strip()
    return "CC0-1.0" if "CC0" in comments else "not stated"


def _bindings(rows: list[list[str]], file: Path) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Vertices, weights and offsets (G, 3) each."""
    if not rows:
        raise broken("no vertex is bound", file, "verts")
    table = np.zeros((len(rows), 9))
    for number, row in enumerate(rows):
        if len(row) not in {1, 6, 9}:
            raise broken(f"a vertex bound by {len(row)} numbers", file, "verts", " ".join(row)[:80])
        try:
            table[number, : len(row)] = row
        except ValueError:
            raise broken("a word among the numbers", file, "verts", " ".join(row)[:80]) from None
        if len(row) == 1:
            table[number, 1:4] = table[number, 0], table[number, 0], 1.0
    if not (np.abs(table[:, 3:]) <= _FARTHEST).all():
        raise broken(f"weights or offsets that are no numbers up to {_FARTHEST:g}", file, "verts")
    vertices = table[:, :3]
    if not ((vertices >= 0) & (vertices < NUM_VERTICES) & (vertices == np.floor(vertices))).all():
        raise broken(f"bound to other vertices than 0..{NUM_VERTICES - 1} of {NAME}", file, "verts")
    sums = table[:, 3:6].sum(1)
    if np.abs(sums - 1).max() > 0.05:
        raise broken("weights that do not sum to one", file, "verts", float(sums[np.abs(sums - 1).argmax()]))
    return vertices.astype(np.int64), table[:, 3:6] / sums[:, None], table[:, 6:]


def _hide(parts: list[str], hidden: NDArray[np.bool_], file: Path, line: int) -> None:
    """Mark a line of ``delete_verts``: numbers, and ranges such as ``1355 - 1398``."""
    try:
        numbers = [None if part == "-" else int(part) for part in parts]
    except ValueError:
        raise broken(f"a word among the numbers in line {line}", file, "delete_verts") from None
    place = 0
    while place < len(numbers):
        first = last = numbers[place]
        place += 1
        if place < len(numbers) and numbers[place] is None:
            last = numbers[place + 1] if place + 1 < len(numbers) else None
            place += 2
        if first is None or last is None or not 0 <= first <= last < NUM_VERTICES:
            raise broken(f"no vertices of {NAME} in line {line}", file, "delete_verts", f"{first} - {last}")
        hidden[first : last + 1] = True


def _measure(words: list[str], name: str, file: Path) -> Measure:
    try:
        first, second, reference = int(words[0]), int(words[1]), float(words[2])
    except (ValueError, IndexError):
        raise broken("not two vertices and a length", file, name, " ".join(words)[:80]) from None
    if not (0 <= first < NUM_VERTICES and 0 <= second < NUM_VERTICES and 1e-3 < reference < _FARTHEST):
        raise broken(f"not two vertices of {NAME} and their distance", file, name, " ".join(words)[:80])
    return Measure(first, second, reference)


def _depth(words: dict[str, list[str]], file: Path) -> int:
    text = " ".join(words.get("z_depth", ["50"]))
    try:
        return int(np.clip(int(text[:20]), 0, 1000))
    except ValueError:
        raise broken("not a number", file, "z_depth", text[:80]) from None


def _mesh(words: dict[str, list[str]], file: Path) -> Path:
    """The ``.obj``, which lies in the folder of the ``.mhclo``."""
    name = " ".join(words.get("obj_file", []))
    if not name:
        raise broken("no mesh is named", file, "obj_file")
    mesh = file.parent / name
    if Path(name).name != name or "\\" in name or "\0" in name:
        raise broken("the mesh is not in the garment's folder", file, "obj_file", name)
    if mesh.is_symlink() and not mesh.resolve().is_relative_to(file.parent.resolve()):
        raise broken("the mesh is a link that leads out of the garment's folder", file, "obj_file", name)
    return mesh
