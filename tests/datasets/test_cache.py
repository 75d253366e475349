"""Datasets in a bucket: read like those in a folder, through a bounded cache that several processes share."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.shards.cache import CorruptedShardError, ShardCache
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.datasets.store.open import open_store
from drpose_ray.datasets.store.store import FolderStore
from tests.datasets.builder.stripes import Stripes, make_windows, silent


class Remote(FolderStore):
    """A folder that gives copies, as a bucket does, and counts them."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        super().__init__(folder)
        self._scratch = scratch
        self.fetched: list[str] = []
        self.lost_bytes = 0

    def fetch(self, name: str) -> Path:
        self.fetched.append(name)
        data = super().fetch(name).read_bytes()
        copy = self._scratch / f"{name}.{len(self.fetched)}"
        copy.write_bytes(data[: len(data) - self.lost_bytes])
        return copy


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 windows in 4 shards of equal length."""
    return _build(tmp_path_factory.mktemp("data") / "dataset")


@pytest.fixture
def remote(dataset: Path, tmp_path: Path) -> Remote:
    return Remote(dataset, tmp_path)


def _build(location: Path | str) -> Path | str:
    generator = Stripes()
    build(plan_build(make_windows(8), generator, location, 2), generator, silent)
    return location


def _cached(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in folder.iterdir()}


def test_a_dataset_in_a_bucket_reads_like_one_in_a_folder(s3_location: str, dataset: Path, tmp_path: Path) -> None:
    _build(s3_location)
    store = open_store(s3_location)
    reader = ShardReader(s3_location, seed=1, files=ShardCache(store, tmp_path / "cache", 2**30))
    for _ in range(2):
        samples = list(reader)
        local = ShardReader(dataset, seed=1)
        local.restore(local.state() | {"epoch": reader.state()["epoch"] - 1})
        for a, b in zip(samples, local, strict=True):
            assert (a.key, a.frame) == (b.key, b.frame)
            np.testing.assert_array_equal(a.images["input"], b.images["input"])
            np.testing.assert_array_equal(a.motion, b.motion)
    (tmp_path / "cache" / f"{read_manifest(s3_location).shards[1].sha256}.tar").write_bytes(b"torn")
    assert len(list(reader)) == len(samples), "a torn file is fetched again"
    store.delete("shard-000002.tar")
    skipping = ShardReader(s3_location, seed=1, files=ShardCache(store, tmp_path / "new", 2**30), corrupted="skip")
    assert len(list(skipping)) == len(samples) and list(skipping.skipped) == ["shard-000002.tar"]


def test_a_second_epoch_fetches_nothing_and_neither_does_another_process(remote: Remote, tmp_path: Path) -> None:
    for _ in range(2):
        reader = ShardReader(remote.folder, seed=1, files=ShardCache(remote, tmp_path / "cache", 2**30))
        list(reader)
        list(reader)
    assert sorted(remote.fetched) == [row.name for row in read_manifest(remote.folder).shards]


def test_the_cache_keeps_to_its_bound_and_gives_up_what_was_opened_longest_ago(remote: Remote, tmp_path: Path) -> None:
    rows = read_manifest(remote.folder).shards
    folder = tmp_path / "cache"
    cache = ShardCache(remote, folder, 2 * rows[0].bytes + 100)
    for index in (0, 1, 0, 2):  # 1 is then the oldest
        cache.open(rows[index]).close()
        assert sum(_cached(folder).values()) <= 2 * rows[0].bytes + 100
    assert set(_cached(folder)) == {rows[0].sha256, rows[2].sha256}
    assert remote.fetched == [rows[i].name for i in (0, 1, 2)]


def test_a_file_removed_to_make_room_can_be_read_to_its_end(remote: Remote, tmp_path: Path) -> None:
    rows = read_manifest(remote.folder).shards
    cache = ShardCache(remote, tmp_path / "cache", rows[0].bytes + 100)
    with cache.open(rows[0]) as first, cache.open(rows[1]):
        assert rows[0].sha256 not in _cached(tmp_path / "cache")
        assert first.read() == (remote.folder / rows[0].name).read_bytes()


@pytest.mark.parametrize("known", [False, True])
def test_a_torn_file_in_the_cache_is_found_and_fetched_again(remote: Remote, tmp_path: Path, known: bool) -> None:
    row = read_manifest(remote.folder).shards[0]
    cache = ShardCache(remote, tmp_path / "cache", 2**30)
    cache.open(row).close()
    file = tmp_path / "cache" / f"{row.sha256}.tar"
    torn = bytearray(file.read_bytes())
    torn[1000] ^= 1
    file.write_bytes(torn if known else torn[:700])
    if not known:
        cache = ShardCache(remote, tmp_path / "cache", 2**30)
    with cache.open(row) as opened:
        assert opened.read() == (remote.folder / row.name).read_bytes()
    assert len(remote.fetched) == 2


def test_a_shard_that_always_arrives_torn_is_corrupted_and_not_kept(remote: Remote, tmp_path: Path) -> None:
    remote.lost_bytes = 1
    row = read_manifest(remote.folder).shards[0]
    with pytest.raises(CorruptedShardError, match="sha256"):
        ShardCache(remote, tmp_path / "cache", 2**30).open(row)
    assert not _cached(tmp_path / "cache")


@pytest.mark.slow
def test_processes_that_share_a_cache_do_not_harm_each_other(dataset: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(_read_all, dataset, tmp_path / f"scratch{i}", tmp_path / "cache") for i in range(2)]
        whole = [(dataset / row.name).read_bytes() for row in read_manifest(dataset).shards] * 10
        for task in tasks:
            assert task.result() == whole


def _read_all(dataset: Path, scratch: Path, cache_folder: Path) -> list[bytes]:
    """Every shard ten times, through a cache that holds two of the four."""
    scratch.mkdir()
    rows = read_manifest(dataset).shards
    cache = ShardCache(Remote(dataset, scratch), cache_folder, 2 * rows[0].bytes + 100)
    read = []
    for row in rows * 10:
        with cache.open(row) as file:
            read.append(file.read())
    return read


def test_the_next_shard_is_fetched_while_one_is_read(remote: Remote, tmp_path: Path) -> None:
    cache = ShardCache(remote, tmp_path / "cache", 2**30)
    iterator = iter(ShardReader(remote.folder, files=cache))
    next(iterator)
    cache._ahead.shutdown(wait=True)
    assert remote.fetched == ["shard-000000.tar", "shard-000001.tar"]


def test_a_shard_larger_than_the_cache_is_refused(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fit into the shard cache"):
        ShardCache(remote, tmp_path / "cache", 1000).open(read_manifest(remote.folder).shards[0])
