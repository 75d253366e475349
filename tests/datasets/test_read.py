from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.shards.open_shard import FrameSample
from drpose_ray.datasets.shards.read import ShardReader
from tests.datasets.builder.stripes import Stripes, make_windows, silent
from tests.datasets.damage import copy_dataset, rewrite_member

FRAMES = 3
CLIPS = {2: "half-drawn", 5: "refused"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """11 windows in 3 shards; 33 frames, of which 1 + 3 failed."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    generator = Stripes()
    build(plan_build(make_windows(11, FRAMES, CLIPS), generator, folder, 4), generator, silent)
    return folder


def _names(samples: list[FrameSample]) -> list[tuple[str, int]]:
    return [(sample.key, sample.frame) for sample in samples]


def test_without_a_seed_frames_come_in_stored_order_and_only_ok_ones(dataset: Path) -> None:
    samples = list(ShardReader(dataset))
    expected = [(f"walk_{i:03d}", f) for i in range(11) for f in range(FRAMES) if i != 5 and not (i == 2 and f == 1)]
    assert _names(samples) == expected


def test_a_frame_comes_back_as_it_was_generated(dataset: Path) -> None:
    window = make_windows(11, FRAMES, CLIPS)[4]
    record = Stripes().make(window)
    sample = next(s for s in ShardReader(dataset, seed=3) if (s.key, s.frame) == ("walk_004", 2))
    np.testing.assert_array_equal(sample.images["input"], record.images["input"][2])
    np.testing.assert_array_equal(sample.motion, window.motion[2])
    np.testing.assert_array_equal(sample.joints_world, record.joints_world[2])
    np.testing.assert_array_equal(sample.view.center_world, [0.2, 1.0, 0.0])
    assert (sample.view.width_m, sample.azimuth_deg) == (2.0, 0.0)


def test_the_same_seed_and_epoch_give_the_same_order_and_another_epoch_another(dataset: Path) -> None:
    one, two = ShardReader(dataset, seed=1), ShardReader(dataset, seed=1)
    first, second = _names(list(one)), _names(list(one))
    assert first == _names(list(two))
    assert first != second and sorted(first) == sorted(second)
    assert first != _names(list(ShardReader(dataset, seed=2)))
    # Shards are permuted and their frames too: neither alone would be enough.
    keys = [key for key, _ in first]
    assert keys != sorted(keys) and any(a > b for a, b in itertools.pairwise(first) if a[0][:6] == b[0][:6])


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_ranks_get_equally_many_different_frames(dataset: Path, world_size: int) -> None:
    parts = [_names(list(ShardReader(dataset, seed=1, rank=r, world_size=world_size))) for r in range(world_size)]
    assert {len(part) for part in parts} == {29 // world_size}
    together = [name for part in parts for name in part]
    assert len(set(together)) == len(together)
    assert together == _names(list(ShardReader(dataset, seed=1)))[: len(together)]


@pytest.mark.parametrize("consumed", [0, 1, 7, 14])
def test_a_restored_reader_gives_exactly_the_remaining_samples(dataset: Path, consumed: int) -> None:
    reader = ShardReader(dataset, seed=1, rank=1, world_size=2)
    whole = _names(list(reader)) + _names(list(reader))

    reader = ShardReader(dataset, seed=1, rank=1, world_size=2)
    list(reader)
    iterator = iter(reader)
    seen = [next(iterator) for _ in range(consumed)]
    state = json.loads(json.dumps(reader.state()))

    resumed = ShardReader(dataset, seed=1, rank=1, world_size=2)
    resumed.restore(state)
    assert _names(seen) + _names(list(resumed)) == whole[14:]
    assert resumed.state()["epoch"] == 2


def test_a_state_of_another_stream_is_refused(dataset: Path) -> None:
    state = ShardReader(dataset, seed=1).state()
    with pytest.raises(InputError, match="seed"):
        ShardReader(dataset, seed=2).restore(state)
    with pytest.raises(InputError, match="world_size"):
        ShardReader(dataset, seed=1, world_size=2).restore(state)


def test_more_ranks_than_frames_are_refused(dataset: Path) -> None:
    with pytest.raises(InputError, match="fewer frames than there are ranks"):
        ShardReader(dataset, world_size=30)


def test_an_unfinished_dataset_is_refused(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    (folder / "_COMPLETE").unlink()
    with pytest.raises(InputError, match="_COMPLETE"):
        ShardReader(folder)


@pytest.mark.parametrize("keep", [0, 700, -512])
def test_a_truncated_tar_is_refused_before_reading_starts(dataset: Path, tmp_path: Path, keep: int) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    shard = folder / "shard-000001.tar"
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"truncated.*shard-000001\.tar"):
        ShardReader(folder)


def test_a_missing_shard_is_refused_before_reading_starts(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    (folder / "shard-000002.tar").unlink()
    with pytest.raises(InputError, match=r"missing.*shard-000002\.tar"):
        ShardReader(folder)


def test_one_changed_byte_is_found_when_the_shard_is_opened(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    shard = folder / "shard-000001.tar"
    data = bytearray(shard.read_bytes())
    data[2000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"sha256.*shard-000001\.tar"):
        list(ShardReader(folder))


@pytest.mark.parametrize(
    ("member", "content", "problem"),
    [
        ("walk_001.01.input.png", None, "walk_001.01.input.png is missing"),
        ("walk_001.motion.npy", None, "walk_001.motion.npy is missing"),
        ("walk_001.01.input.png", b"not a png", "walk_001.01.input.png is not a PNG"),
        ("walk_001.json", b"{}", "walk_001.json is not a RecordHeader"),
        ("walk_001.json", None, "walk_001.00.input.png is of no record"),
    ],
)
def test_a_shard_with_a_bad_member_is_refused_even_if_its_hash_is_right(
    dataset: Path, tmp_path: Path, member: str, content: bytes | None, problem: str
) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    rewrite_member(folder, 0, member, content)
    with pytest.raises(InputError, match=problem) as caught:
        list(ShardReader(folder))
    assert caught.value.file == folder / "shard-000000.tar"


def test_object_arrays_are_never_unpickled(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
    rewrite_member(folder, 0, "walk_001.motion.npy", stream.getvalue())
    with pytest.raises(InputError, match="an array of objects"):
        list(ShardReader(folder))
