"""The stream of (image, pose) pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.finetune.data import PairStream, collate
from drpose_ray.geometry.cameras import project
from tests.finetune.settings import finetune_config
from tests.finetune.tiny_run import write_tiny_dataset


def _stream(folder: Path, rank: int = 0, world_size: int = 1, batch_size: int = 2) -> PairStream:
    return PairStream(ShardReader(folder, seed=3, rank=rank, world_size=world_size), batch_size)


def test_ranks_see_equally_many_samples_and_share_none_within_an_epoch(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, shards=3, frames=5)  # 15 frames: 7 for each of two ranks
    streams = [_stream(tmp_path, rank, 2, batch_size=7) for rank in range(2)]
    seen = [next(stream).sample_ids for stream in streams]
    assert [len(ids) for ids in seen] == [7, 7]
    assert len(set(seen[0]) | set(seen[1])) == 14


def test_restored_stream_continues_with_the_next_batch_across_epochs(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, shards=2, frames=3)
    stream = _stream(tmp_path, batch_size=4)  # the second batch straddles the epoch's end
    next(stream)
    state = json.loads(json.dumps(stream.state()))
    expected = [next(stream) for _ in range(3)]

    restored = _stream(tmp_path, batch_size=4)
    restored.restore(state)
    for batch in expected:
        again = next(restored)
        assert again.sample_ids == batch.sample_ids
        assert torch.equal(again.input_images, batch.input_images) and torch.equal(again.joints, batch.joints)


def test_joints_are_turned_so_that_the_input_view_is_the_front_view(tmp_path: Path) -> None:
    azimuth = 70.0
    write_tiny_dataset(tmp_path, shards=1, frames=2, azimuth_deg=azimuth)
    sample = next(iter(ShardReader(tmp_path)))
    batch = collate([sample])
    front = project(batch.joints, batch.center, batch.width_m, torch.tensor([0.0]))
    world = torch.from_numpy(sample.joints_world)[None]
    seen = project(world, batch.center, batch.width_m, torch.tensor([azimuth]))
    np.testing.assert_allclose(front, seen, atol=1e-6)


def test_dataset_without_the_input_image_is_refused(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, shards=1, frames=2)
    sample = next(iter(ShardReader(tmp_path)))
    object.__setattr__(sample, "images", {"other": np.zeros((4, 4, 3), np.uint8)})
    with pytest.raises(InputError, match="no image named"):
        collate([sample])


def test_batch_that_does_not_divide_over_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="does not divide over 2 workers"):
        finetune_config({"optimizer.batch_size": 3, "parallel.num_workers": 2})
