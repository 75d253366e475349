"""The file of selected windows, ``selection.parquet``: written as a stream, read a slice at a time.

A data set of 1.5 M poses is 1.9 GB of motion, which neither the driver nor a worker has to hold: both keep a
``WindowsFile``, which is a path and a split, and read the windows of the shard at hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.reading import is_there, refusing
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.clip import out_of_range
from drpose_ray.poses.windows import PoseWindow, is_sequence_id

WINDOWS_PER_ROW_GROUP: Final = 256
"""What is read at once: 3 MB for windows of 10 frames. A row group holds windows of one split."""


def write_selection(path: Path, windows: Mapping[str, Iterable[PoseWindow]]) -> None:
    """Publish windows by split, all of equally many frames; equal windows give equal bytes.

    They are taken from the iterables as they are written and none is kept. Raises ValueError if there are none.
    """
    groups = ((split, group) for split, members in windows.items() for group in _in_groups(members))
    first = next(groups, None)
    if first is None:
        raise ValueError("no windows to write")
    schema = _schema(len(first[1][0].frames))
    with (
        replace_when_complete(path) as temporary,
        pq.ParquetWriter(
            temporary, schema, compression="zstd", use_dictionary=list(_REPEATED), write_page_checksum=True
        ) as writer,
    ):
        for split, group in itertools.chain([first], groups):
            writer.write_table(_to_table(split, group, schema))


def read_selection(path: Path, split: str | None = None) -> WindowsFile:
    """The windows of a selection, or of one ``split`` of it, in the order of their picks; none is read yet.

    Raises InputError if the file is missing, damaged or not a selection, or has no such split.
    """
    windows = WindowsFile(path, split)
    len(windows)
    return windows


@dataclass(frozen=True)
class WindowsFile(Sequence[PoseWindow]):
    """Windows of one split of a selection, or of all (``split`` None), in the order of the file.

    Pickles as its fields. Nothing is opened before it is asked for something, nothing read stays in memory but
    the file's footer, and only the row groups that are needed are read. What it is asked for raises InputError if the
    file is missing, damaged or not a selection, or has no such split.
    """

    path: Path
    split: str | None = None
    num: int | None = None
    """Only the first so many."""

    def __len__(self) -> int:
        return self._groups[-1].stop if self.num is None else min(self.num, self._groups[-1].stop)

    def first(self, num: int) -> WindowsFile:
        """The first ``num`` windows, not read either."""
        return WindowsFile(self.path, self.split, num)

    @overload
    def __getitem__(self, index: int) -> PoseWindow: ...
    @overload
    def __getitem__(self, index: slice) -> list[PoseWindow]: ...
    def __getitem__(self, index: int | slice) -> PoseWindow | list[PoseWindow]:
        if isinstance(index, int):
            number = range(len(self))[index]  # IndexError where a list would raise it
            return self._read(number, number + 1)[0]
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"windows are read in steps of 1, not {step}")
        return self._read(start, stop)

    def __iter__(self) -> Iterator[PoseWindow]:
        for group in self._groups:
            yield from self._read(group.start, min(group.stop, len(self)))

    def __reduce__(self) -> tuple[type[WindowsFile], tuple[Path, str | None, int | None]]:
        return WindowsFile, (self.path, self.split, self.num)

    @cached_property
    def _footer(self) -> Any:
        with self._open() as file:
            _check_schema(file.schema_arrow, self.path)
            return file.metadata

    @cached_property
    def _groups(self) -> list[_RowGroup]:
        groups: list[_RowGroup] = []
        known: set[str] = set()
        start = 0
        for number in range(self._footer.num_row_groups):
            group = self._footer.row_group(number)
            if (size := _unpacked_bytes(group)) > _MAX_GROUP_BYTES:
                raise InputError(
                    f"a row group of more than {_MAX_GROUP_BYTES} bytes", file=self.path, field="motion", value=size,
                    remedy=_REMAKE,
                )  # fmt: skip
            span = group.column(_NAMES.index("split")).statistics
            if span is None or not span.has_min_max or span.min != span.max:
                raise InputError("not a selection", file=self.path, field="split", remedy=_REMAKE)
            known.add(span.min)
            if self.split in (None, span.min):
                groups.append(_RowGroup(number, start, start + group.num_rows))
                start += group.num_rows
        if not groups:
            raise InputError(
                "no windows of this split", file=self.path, field="split", value=self.split,
                remedy=f"it has: {', '.join(sorted(known))}",
            )  # fmt: skip
        return groups

    def _read(self, start: int, stop: int) -> list[PoseWindow]:
        windows: list[PoseWindow] = []
        for group in self._groups:
            begin, end = max(start, group.start), min(stop, group.stop)
            if begin >= end:
                continue
            with self._open(self._footer) as file:
                table = file.read_row_group(group.number).slice(begin - group.start, end - begin)
                windows += _from_table(table)
        for window in windows:
            _check_window(window, self.path)
        return windows

    @contextmanager
    def _open(self, footer: Any = None) -> Iterator[Any]:
        """The file, mapped for as long as it is read: a mapping that stayed would count all pages ever touched."""
        if not is_there(self.path):  # a pipe would be waited for
            raise InputError("cannot read the selection (no such file)", file=self.path, remedy=_REMAKE)
        with (
            refusing(self.path, "file", "cannot read the selection", _REMAKE, also=(pa.ArrowException,)),
            pq.ParquetFile(self.path, metadata=footer, memory_map=True, page_checksum_verification=True) as file,
        ):
            yield file


@dataclass(frozen=True)
class _RowGroup:
    """Row group ``number`` of the file holds windows ``start`` to ``stop`` of the split."""

    number: int
    start: int
    stop: int


def _in_groups(windows: Iterable[PoseWindow]) -> Iterator[list[PoseWindow]]:
    rest = iter(windows)
    while group := list(itertools.islice(rest, WINDOWS_PER_ROW_GROUP)):
        yield group


def _schema(frames: int) -> Any:
    """Of windows of so many frames; one motion is ``frames`` rows of 322 columns, one after the other."""
    kinds = {name: pa.string() for name in _NAMES} | {
        "pick": pa.int64(),
        "rank": pa.int64(),
        "fps": pa.float64(),
        "frames": pa.list_(pa.field("item", pa.int64(), nullable=False), frames),
        "motion": pa.list_(pa.field("item", pa.float32(), nullable=False), frames * NUM_COLUMNS),
    }
    return pa.schema([pa.field(name, kinds[name], nullable=False) for name in _NAMES])


def _unpacked_bytes(group: Any) -> int:
    """What a row group may take in memory: equal values are stored once, and a million equal rows in a few bytes."""
    total: int = group.total_byte_size
    for column in map(group.column, range(group.num_columns)):
        # A text is at most as long as all texts of its column.
        is_text = column.physical_type == "BYTE_ARRAY"
        total += column.num_values * (column.total_uncompressed_size if is_text else _WIDTHS[column.physical_type])
    return total


def _check_window(window: PoseWindow, path: Path) -> None:
    """What a body can be posed with, under a name that may begin a file's."""
    wrong = next(
        (
            field
            for field, fits in (
                ("sequence_id", is_sequence_id(window.sequence_id)),
                ("fps", 0 < window.fps <= _MAX_FPS),
                ("frames", bool((window.frames >= 0).all())),
                ("motion", bool(np.isfinite(window.motion).all()) and not out_of_range(window.motion).any()),
            )
            if not fits
        ),
        None,
    )
    if wrong is not None:
        raise InputError(
            "not a selection", file=path, field=wrong, value=f"of {ascii(window.sequence_id)[:80]}", remedy=_REMAKE
        )


def _check_schema(found: Any, path: Path) -> None:
    kind: Any = found.field("frames").type if "frames" in found.names else pa.null()
    length = kind.list_size if pa.types.is_fixed_size_list(kind) else 1
    if not 1 <= length <= _MAX_FRAMES:
        raise InputError("not a selection", file=path, field="frames", value=length, remedy=_REMAKE)
    expected = _schema(length)
    if not found.equals(expected):
        wrong = [name for name in _NAMES if name not in found.names or found.field(name) != expected.field(name)]
        raise InputError("not a selection", file=path, field=", ".join(wrong) or None, remedy=_REMAKE)


def _to_table(split: str, windows: Sequence[PoseWindow], schema: Any) -> Any:
    columns = [pa.array([split] * len(windows))]
    for name in _NAMES[1:]:
        values = [getattr(window, name) for window in windows]
        kind = schema.field(name).type
        if name in {"frames", "motion"}:
            rows = np.stack([value.ravel() for value in values])
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), kind.value_type), type=kind))
        else:
            columns.append(pa.array(values, kind))
    return pa.Table.from_arrays(columns, schema=schema)


def _from_table(table: Any) -> list[PoseWindow]:
    def rows(name: str) -> Any:
        return table[name].combine_chunks().flatten().to_numpy().reshape(len(table), -1)

    fields = {name: table[name].to_pylist() for name in _NAMES if name not in {"split", "frames", "motion"}}
    # Copies: a window would otherwise keep its whole row group in memory.
    return [
        PoseWindow(
            frames=frames.copy(),
            motion=motion.reshape(len(frames), NUM_COLUMNS).copy(),
            **{name: values[i] for name, values in fields.items()},
        )
        for i, (frames, motion) in enumerate(zip(rows("frames"), rows("motion"), strict=True))
    ]


_NAMES: Final = ("split", "sequence_id", "clip", "pick", "rank", "fps", "source", "licence", "frames", "motion")
_REPEATED: Final = ("split", "clip", "source", "licence")
_MAX_FRAMES: Final = 10_000
"""Of a window."""
_MAX_FPS: Final = 10_000
_MAX_GROUP_BYTES: Final = 2**31
_WIDTHS: Final = {"INT64": 8, "DOUBLE": 8, "FLOAT": 4}
"""Bytes of a number by Parquet's names."""
_REMAKE: Final = "run jobs/select_poses.py again"
