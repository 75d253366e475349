from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import webdataset

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.datasets.record import RecordHeader, SequenceRecord
from drpose_ray.datasets.shards.write import write_shard
from tests.datasets.builder.stripes import Stripes, make_windows


def _records(count: int = 3) -> list[SequenceRecord]:
    generator = Stripes()
    return [generator.make(window) for window in make_windows(count)]


def test_the_bytes_depend_on_the_records_alone(tmp_path: Path) -> None:
    one = write_shard(tmp_path / "one", 4, _records())
    two = write_shard(tmp_path / "two", 4, _records())
    assert one == two and one.name == "shard-000004.tar"
    assert (tmp_path / "one" / one.name).read_bytes() == (tmp_path / "two" / two.name).read_bytes()
    assert file_sha256(tmp_path / "one" / one.name) == one.sha256
    assert write_shard(tmp_path / "three", 4, _records(2)).sha256 != one.sha256


def test_members_carry_no_trace_of_time_or_user(tmp_path: Path) -> None:
    row = write_shard(tmp_path, 0, _records())
    with tarfile.open(tmp_path / row.name) as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0o644, 0, 0, "", "")}
    assert [m.name for m in members] == sorted(m.name for m in members)


def test_stock_webdataset_reads_each_record_as_one_sample(tmp_path: Path) -> None:
    records = _records()
    row = write_shard(tmp_path, 0, records)
    url = str(tmp_path / row.name)
    samples = list(webdataset.WebDataset(url, shardshuffle=False, empty_check=False).decode("rgba8"))
    assert [sample["__key__"] for sample in samples] == [record.key for record in records]
    for sample, record in zip(samples, records, strict=True):
        np.testing.assert_array_equal(sample["motion.npy"], record.motion)
        np.testing.assert_array_equal(sample["joints.npy"], record.joints_world)
        for frame in range(3):
            np.testing.assert_array_equal(sample[f"{frame:02d}.input.png"], record.images["input"][frame])
        assert RecordHeader.model_validate(sample["json"]) == record.header()


def test_an_error_between_records_publishes_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[SequenceRecord]:
        yield from _records(2)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_shard(tmp_path, 0, interrupted())
    assert list(tmp_path.iterdir()) == []


def test_two_records_of_one_key_are_refused(tmp_path: Path) -> None:
    record = _records(1)[0]
    with pytest.raises(ValueError, match="two records have the key walk_000"):
        write_shard(tmp_path, 0, [record, record])
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output_is_refused_in_the_users_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write output"):
        write_shard(tmp_path / "file" / "dataset", 0, _records(1))
