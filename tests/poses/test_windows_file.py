"""The file of windows: read back as written, the same bytes again, a slice without the rest, damage named."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.poses import windows_file
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.poses.windows_file import WindowsFile, read_selection, write_selection


def make_window(number: int, frames: int = 3) -> PoseWindow:
    motion = np.random.default_rng(number).standard_normal((frames, 322)).astype(np.float32)
    at = np.arange(number, number + frames)
    return PoseWindow(f"walk_{number:06d}", "walk", at, motion, number + 1, number, 30.0, "tests", "CC0-1.0")


def assert_same(found: PoseWindow, written: PoseWindow) -> None:
    for field in dataclasses.fields(PoseWindow):
        one, other = getattr(found, field.name), getattr(written, field.name)
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other)
    assert (found.motion.dtype, found.frames.dtype) == (np.float32, np.int64)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_file, "WINDOWS_PER_ROW_GROUP", 4)


@pytest.mark.usefixtures("small_groups")
def test_slices_over_row_groups_and_splits_are_the_windows_that_were_written(tmp_path: Path) -> None:
    file = tmp_path / "selection.parquet"
    train, test = ([make_window(i) for i in numbers] for numbers in (range(11), range(20, 25)))
    write_selection(file, {"train": iter(train), "test": test})
    for split, written in (("train", train), ("test", test), (None, train + test)):
        windows = pickle.loads(pickle.dumps(read_selection(file, split)))  # what a worker gets
        assert len(windows) == len(written)
        for start in (-2, 0, 3, 4, 9, 12):
            for stop in (-1, 3, 4, 5, 8, 11, 13, None):
                assert [w.sequence_id for w in windows[start:stop]] == [w.sequence_id for w in written[start:stop]]
        for found, one in zip(windows, written, strict=True):
            assert_same(found, one)
        for number in range(-len(written), len(written)):
            assert_same(windows[number], written[number])
        with pytest.raises(IndexError):
            windows[len(written)]
    with pytest.raises(ValueError, match="steps of 1"):
        windows[::2]


def test_equal_windows_give_equal_bytes_and_a_stream_is_taken_as_it_is_written(tmp_path: Path) -> None:
    made: list[weakref.ref[PoseWindow]] = []
    most_alive = 0

    def drawn() -> Iterator[PoseWindow]:
        nonlocal most_alive
        for number in range(1200):
            window = make_window(number)
            made.append(weakref.ref(window))
            yield window
            most_alive = max(most_alive, sum(ref() is not None for ref in made))

    write_selection(tmp_path / "one.parquet", {"train": drawn()})
    write_selection(tmp_path / "two.parquet", {"train": [make_window(i) for i in range(1200)]})
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "one.parquet").num_row_groups == 5
    assert most_alive <= 3 * windows_file.WINDOWS_PER_ROW_GROUP


def test_a_pickled_file_is_its_path_and_split_and_a_window_is_no_view_of_its_row_group(tmp_path: Path) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": (make_window(i) for i in range(300))})
    windows = read_selection(file, "train")
    assert len(windows[0:300]) == 300
    assert len(pickle.dumps(windows)) < 400
    assert pickle.loads(pickle.dumps(windows)) == windows
    assert windows[5].motion.base is None and windows[5].frames.base is None


PEAK = """
import resource, sys
from pathlib import Path
from drpose_ray.poses.windows_file import WindowsFile
windows = WindowsFile(Path(sys.argv[1]), "train")
windows[0:64]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for start in range(0, len(windows), 64):
    assert all(window.motion.any() for window in windows[start : start + 64])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(windows))
"""


def test_reading_a_large_file_slice_by_slice_takes_little_memory(tmp_path: Path) -> None:
    """4,096 windows are 53 MB; a process of its own, since the peak of this one is long past."""
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": (make_window(i, frames=10) for i in range(4096))})
    assert file.stat().st_size > 45e6
    done = subprocess.run([sys.executable, "-c", PEAK, str(file)], check=True, capture_output=True, text=True)
    growth_kb, num = map(int, done.stdout.split())
    assert num == 4096
    assert growth_kb < 25_000


def test_missing_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": [make_window(0)], "val": [make_window(1)]})
    with pytest.raises(InputError, match=r"no windows of this split.*it has: train, val"):
        read_selection(file, "test")
    with pytest.raises(InputError, match="no windows of this split"):
        WindowsFile(file, "test")[0:1]
    with pytest.raises(InputError, match="cannot read the selection"):
        read_selection(tmp_path / "absent.parquet")
    with pytest.raises(InputError, match="cannot read the selection"):
        read_selection(tmp_path)


def test_damaged_selections_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": [make_window(i) for i in range(20)]})
    whole = file.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot read the selection"):
            read_selection(file)
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1  # one bit of one pose
    file.write_bytes(bytes(altered))
    windows = read_selection(file)
    with pytest.raises(InputError, match="cannot read the selection"):
        windows[0:20]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda table: table.drop_columns(["motion"]), "motion"),
        (lambda table: table.drop_columns(["frames"]), "frames"),
        (lambda table: table.set_column(4, "rank", table["rank"].cast(pa.float64())), "rank"),
    ],
)
def test_other_tables_are_no_selection(tmp_path: Path, change: object, field: str) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": [make_window(0)]})
    pq.write_table(change(pq.read_table(file)), file)  # type: ignore[operator]
    with pytest.raises(InputError, match="not a selection") as caught:
        read_selection(file)
    assert field in str(caught.value.field)


def test_row_groups_of_two_splits_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": [make_window(0)], "val": [make_window(1)]})
    pq.write_table(pq.read_table(file), file)  # one row group of both
    with pytest.raises(InputError, match="not a selection"):
        read_selection(file)


def test_windows_of_other_lengths_or_none_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    for windows in ([], [make_window(0), make_window(1, frames=4)]):
        with pytest.raises(ValueError):
            write_selection(tmp_path / "selection.parquet", {"train": windows})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"motion": np.full((3, 322), np.nan, np.float32)}, "motion"),
        ({"motion": np.full((3, 322), 1e30, np.float32)}, "motion"),
        ({"sequence_id": "../../walk"}, "sequence_id"),
        ({"sequence_id": "walk.00"}, "sequence_id"),
        ({"fps": float("nan")}, "fps"),
        ({"frames": np.array([-1, 0, 1])}, "frames"),
    ],
)
def test_windows_that_no_body_can_take_are_refused_by_field(
    tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    file = tmp_path / "selection.parquet"
    write_selection(file, {"train": [make_window(0), dataclasses.replace(make_window(1), **changes)]})
    windows = read_selection(file)
    assert windows[0].rank == 0
    with pytest.raises(InputError, match="not a selection") as caught:
        list(windows)
    assert caught.value.field == field


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "selection.parquet")
    with pytest.raises(InputError, match="cannot read the selection"):
        read_selection(tmp_path / "selection.parquet")


@pytest.mark.parametrize("text", [False, True])
def test_a_small_file_that_unpacks_to_much_is_not_unpacked(
    tmp_path: Path, text: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet stores equal values once: 160 kB were 0.8 GB of motion, and 4 kB a gigabyte of licences."""
    monkeypatch.setattr(windows_file, "_MAX_GROUP_BYTES", 2**24)
    num = 256 if text else 2000
    schema = windows_file._schema(10)
    values: dict[str, object] = {"split": "train", "licence": "x" * 2**16 if text else "", "fps": 30.0}
    columns = []
    for field in schema:
        if field.name in {"frames", "motion"}:
            inner = field.type.list_size * (1 if text else num)
            flat = pa.nulls(inner, field.type.value_type).fill_null(0)
            column = pa.FixedSizeListArray.from_arrays(flat, type=field.type)
            columns.append(pa.concat_arrays([column] * num) if text else column)
        else:
            kind = str if field.type == pa.string() else int
            columns.append(pa.repeat(pa.scalar(values.get(field.name, kind()), field.type), num))
    path = tmp_path / "selection.parquet"
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd", row_group_size=num)
    assert path.stat().st_size < 2**17
    with pytest.raises(InputError, match="a row group of more than"):
        read_selection(path)
