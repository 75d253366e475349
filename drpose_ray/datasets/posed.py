"""The record: N people, where their joints are, and whatever pictures of them are at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

_NOT_THERE: Final = torch.empty(0)


@dataclass(frozen=True)
class PosedPeople:
    """N people. Positions are in metres, in the axes of the input camera: whichever side of a person the input image
    shows, it is the view of azimuth 0 (``geometry.cameras``).

    A part that was not read is empty; ``ValueError`` if one that is there is not of N people.
    """

    joints: torch.Tensor
    """(N, 23, 3) metres."""
    center: torch.Tensor
    """(N, 3) metres, shown at the image centre."""
    width_m: torch.Tensor
    """(N,) metres shown across the image."""
    sample_ids: tuple[str, ...] = ()
    """``<record key>.<frame>``."""
    persons: tuple[str, ...] = ()
    """Who is shown, equal within a dataset exactly if it is the same person; if empty, each row shows somebody else."""
    input_images: torch.Tensor = _NOT_THERE
    """(N, 3, H, W) float32 in [0, 1] on white: what a model is given."""
    images: torch.Tensor = _NOT_THERE
    """(N, M=2, V=6, 3, s, s) true views on white, normals first; uint8, or float32 in [0, 1]."""
    latents: torch.Tensor = _NOT_THERE
    """(N, M=2, V, C, h, w) of the images; slot 6, if there, is the face."""

    def __post_init__(self) -> None:
        for name, part in vars(self).items():
            if len(part) not in (0, len(self)):
                raise ValueError(f"{name} of {len(part)} people, expected {len(self)}")

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def keys(self) -> tuple[str, ...]:
        """(N,) keys of the records that the rows are frames of."""
        return tuple(sample.rsplit(".", 1)[0] for sample in self.sample_ids)

    def rows(self, index: slice | torch.Tensor) -> PosedPeople:
        """Some of them: a slice (tensors stay views) or row numbers on the CPU."""
        numbers = range(len(self))[index] if isinstance(index, slice) else index.tolist()
        return self._changed(lambda part: part[index], lambda names: tuple(names[row] for row in numbers))

    def to(self, device: torch.device) -> PosedPeople:
        """The same on ``device``."""
        return self._changed(lambda part: part.to(device), lambda names: names)

    def without_pictures(self) -> PosedPeople:
        """Poses and names alone, which are all that a reward may know."""
        return dataclasses.replace(self, input_images=_NOT_THERE, images=_NOT_THERE, latents=_NOT_THERE)

    def _changed(
        self, tensor: Callable[[torch.Tensor], torch.Tensor], names: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> PosedPeople:
        there = {name: part for name, part in vars(self).items() if len(part)}
        changed: dict[str, Any] = {
            name: tensor(p) if isinstance(p, torch.Tensor) else names(p) for name, p in there.items()
        }
        return dataclasses.replace(self, **changed)


def cat(people: Sequence[PosedPeople]) -> PosedPeople:
    """All of them, in order. ``ValueError`` if only some have a part."""
    parts: dict[str, Any] = {}
    for field in dataclasses.fields(PosedPeople):
        each = [getattr(some, field.name) for some in people]
        parts[field.name] = torch.cat(each) if isinstance(each[0], torch.Tensor) else sum(each, ())
    return PosedPeople(**parts)
