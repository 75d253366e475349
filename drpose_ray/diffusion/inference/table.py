"""A table of photos: a CSV as people and spreadsheets write it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_text, refusing

_REMEDY = "name the column of paths 'image', and a column of names 'name'"
_DELIMITERS = (",", ";", "\t")
"""Spreadsheets write the second where the comma stands in numbers."""


def read_table(table: Path) -> list[tuple[str, Path, str]]:
    """Name, path and problem of each row, in order; paths are relative to the table. Rows without any text are none.

    A row without an image is given with that problem: it costs none of the others.

    Raises InputError if it is no UTF-8 text (a byte-order mark may be there), no CSV, or has no column ``image``.
    """
    text = read_text(table, field="generate.photos")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    with refusing(table, "generate.photos", "cannot read the table of photos", _REMEDY, (csv.Error,)):
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not filled:
        return []
    columns = [cell.strip().lower() for cell in filled[0][1]]
    for column in ("image", "name"):
        if columns.count(column) > 1 or (column == "image" and column not in columns):
            raise InputError(
                f"the table has {'two columns' if column in columns else 'no column'} '{column}'", file=table,
                field="columns", value=filled[0][1], remedy=_REMEDY,
            )  # fmt: skip
    found = []
    for number, row in filled[1:]:
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        image, name = cells.get("image", ""), cells.get("name", "")
        path = table.parent / image
        if image:
            found.append((name or path.stem, path, ""))
        else:
            found.append((name or f"row {number}", table, f"row {number} of the table names no image"))
    return found
