"""Batches of (input image, 3-D pose) pairs: all that DrPose knows of a person, no other views (Sec. 3.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.multiview import pose_people
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.datasets.record import INPUT_IMAGE
from drpose_ray.datasets.shards.open_shard import FrameSample
from drpose_ray.datasets.shards.read import ShardReader


def collate(samples: Sequence[FrameSample]) -> PosedPeople:
    """A batch of pairs, on the CPU. Raises InputError if a sample lacks the input image, their images differ in shape,
    or a pose is not finite.
    """
    images = [_input_image(sample) for sample in samples]
    if len({image.shape for image in images}) > 1:
        raise InputError(
            "input images differ in shape",
            field=", ".join(sample.key for sample in samples),
            value=[image.shape for image in images],
            remedy="synthesize the dataset at one image size",
        )
    shown = _on_white(torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 255)
    return dataclasses.replace(pose_people(samples), input_images=shown)


class PairStream:
    """One rank's endless stream of batches; equal numbers of samples per epoch on every rank."""

    def __init__(self, reader: ShardReader, batch_size: int) -> None:
        self._reader, self._batch_size = reader, batch_size
        self._samples = self._forever()

    def __next__(self) -> PosedPeople:
        return collate([next(self._samples) for _ in range(self._batch_size)])

    def state(self) -> dict[str, Any]:
        """JSON-able place in the stream: the next batch is the first one not yet given."""
        return self._reader.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue at ``state()``. Raises InputError if it is of another dataset, seed or number of ranks."""
        self._reader.restore(state)
        self._samples = self._forever()

    def _forever(self) -> Iterator[FrameSample]:
        while True:
            yield from self._reader


def _input_image(sample: FrameSample) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if INPUT_IMAGE not in sample.images:
        raise InputError(
            f"the dataset has no image named {INPUT_IMAGE!r}",
            field=sample.key,
            value=sorted(sample.images),
            remedy="make the dataset with jobs/synthesize.py",
        )
    return sample.images[INPUT_IMAGE]


def _on_white(images: torch.Tensor) -> torch.Tensor:
    """(B, 3 or 4, H, W) -> (B, 3, H, W); the fourth channel is opacity."""
    if images.shape[1] == 3:
        return images
    color, alpha = images[:, :3], images[:, 3:]
    return color * alpha + 1 - alpha
