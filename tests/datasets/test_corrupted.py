"""Reading on where shards are corrupted: how much is given, by whom, and what instead."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.shards.open_shard import FrameSample
from drpose_ray.datasets.shards.read import ShardReader
from tests.datasets.builder.stripes import Stripes, make_windows, silent
from tests.datasets.damage import copy_dataset, rewrite_member

FRAMES = 3
BAD = "shard-000001.tar"  # of three: walk_004 to walk_007


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 windows in 3 shards of 4, 4 and 2; 30 frames."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    generator = Stripes()
    build(plan_build(make_windows(10, FRAMES), generator, folder, 4), generator, silent)
    return folder


def _remove(folder: Path) -> None:
    (folder / BAD).unlink()


def _truncate(folder: Path) -> None:
    (folder / BAD).write_bytes((folder / BAD).read_bytes()[:-512])


def _flip(folder: Path) -> None:
    data = bytearray((folder / BAD).read_bytes())
    data[5000] ^= 1
    (folder / BAD).write_bytes(data)


def _spoil_last_image(folder: Path) -> None:
    rewrite_member(folder, 1, "walk_007.02.input.png", b"not a png")


DAMAGES: dict[Callable[[Path], None], str] = {
    _remove: "missing", _truncate: "truncated", _flip: "sha256", _spoil_last_image: "not a PNG",
}  # fmt: skip


def _names(samples: list[FrameSample]) -> list[tuple[str, int]]:
    return [(sample.key, sample.frame) for sample in samples]


def _is_bad(name: tuple[str, int]) -> bool:
    return "walk_004" <= name[0] <= "walk_007"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("world_size", [1, 2, 7])
def test_nothing_of_a_corrupted_shard_is_given_and_every_rank_gives_as_much_as_of_a_sound_one(
    dataset: Path, tmp_path: Path, damage: Callable[[Path], None], world_size: int
) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    damage(folder)
    for epoch in range(2):
        together, reported = [], {}
        for rank in range(world_size):
            reader = ShardReader(folder, seed=1, rank=rank, world_size=world_size, corrupted="skip")
            reader.restore(reader.state() | {"epoch": epoch})
            part = _names(list(reader))
            assert len(part) == len(reader) == 30 // world_size
            together += part
            reported |= reader.skipped
        assert not any(map(_is_bad, together))
        assert list(reported) == [BAD] and DAMAGES[damage] in reported[BAD]

        sound = ShardReader(dataset, seed=1)
        sound.restore(sound.state() | {"epoch": epoch})
        kept = [name for name in _names(list(sound))[: len(together)] if not _is_bad(name)]
        assert set(kept) <= set(together), "frames of sound shards are given as they would be anyhow"
        one = ShardReader(folder, seed=1, corrupted="skip")
        one.restore(one.state() | {"epoch": epoch})
        assert together == _names(list(one))[: len(together)], "all ranks put the same in its place"


@pytest.mark.parametrize("damage", DAMAGES)
def test_by_default_a_corrupted_shard_ends_the_reading(
    dataset: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    damage(folder)
    with pytest.raises(InputError, match=DAMAGES[damage]):
        list(ShardReader(folder, seed=1))


def test_a_reader_goes_on_exactly_even_if_the_shard_has_been_repaired_since(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    _flip(folder)
    reader = ShardReader(folder, seed=1, corrupted="skip")
    whole = _names(list(reader)) + _names(list(reader))
    for consumed in (0, 3, 14, 29):
        reader = ShardReader(folder, seed=1, corrupted="skip")
        reader.restore(reader.state() | {"skipped": {BAD: "found before"}})
        seen = _names(list(itertools.islice(reader, consumed)))
        state = json.loads(json.dumps(reader.state()))
        resumed = ShardReader(dataset, seed=1, corrupted="skip")  # the sound one
        resumed.restore(state)
        assert seen + _names(list(resumed)) + _names(list(resumed)) == whole


def test_a_small_shard_fills_a_larger_place_from_its_start_again(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    _remove(folder)
    last = [(f"walk_{i:03d}", frame) for i in (8, 9) for frame in range(FRAMES)]
    assert _names(list(ShardReader(folder, corrupted="skip")))[12:24] == last + last


def test_a_dataset_without_a_sound_shard_is_refused(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    for shard in folder.glob("*.tar"):
        shard.write_bytes(shard.read_bytes()[::-1])
    with pytest.raises(InputError, match="not one shard is sound"):
        list(ShardReader(folder, seed=1, corrupted="skip"))
