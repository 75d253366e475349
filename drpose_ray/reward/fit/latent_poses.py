"""What the skeleton predictor is trained on: encoded six-view renders with their poses, and who they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import torch_stream
from drpose_ray.datasets.posed import PosedPeople, cat
from drpose_ray.diffusion.encoded.latents_store import MARKER, MappedLatents, open_latents
from drpose_ray.reward.skeleton_maps import target_maps


@dataclass(frozen=True)
class LatentPoses:
    """N people (all tensors on one device) whose latents lie in memory, or are read from disk when they are picked."""

    people: PosedPeople
    latents: torch.Tensor | MappedLatents  # (N, M=2, V=6, C, h, w) float16 or float32, normals first

    def __len__(self) -> int:
        return len(self.people)

    def pick(
        self, rows: torch.Tensor, views: torch.Tensor, map_size: int, device: torch.device | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (M, B, v, C, h, w) float32 and target maps (B, v, 23, s, s) of some rows and views, on ``device``.

        Raises InputError if a latent is not finite.
        """
        device = device or self.people.joints.device
        latents = self.latents[rows][:, :, views]
        finite = latents.isfinite().flatten(1).all(1)
        if not finite.all():
            row = int(rows[~finite.cpu()][0])
            raise InputError(
                "latents that are not finite", field="latents", value=self._persons[row],
                remedy="encode the dataset again (jobs/encode_latents.py), and check the VAE's weights",
            )  # fmt: skip
        maps = target_maps(self.people.rows(rows).to(device), map_size, views)
        return latents.to(device).float().transpose(0, 1), maps

    def hold_out(self, num_people: int) -> tuple[LatentPoses, LatentPoses]:
        """The frames of all people but the last ``num_people``, and the frames of those: never one person in both.

        Raises InputError if nobody is left.
        """
        distinct = list(dict.fromkeys(self._persons))
        if len(distinct) <= num_people:
            raise InputError(
                "no samples left to train on", field="fit.validation_samples", value=num_people,
                remedy=f"hold out fewer than the {len(distinct)} people given",
            )  # fmt: skip
        last = set(distinct[len(distinct) - num_people :])
        held_out = [person in last for person in self._persons]
        return self._take([row for row, is_last in enumerate(held_out) if not is_last]), self._take(
            [row for row, is_last in enumerate(held_out) if is_last]
        )

    def first_rows(self, num_people: int) -> torch.Tensor:
        """(num_people,) The first row of each of the first people."""
        first: dict[str, int] = {}
        for row, person in enumerate(self._persons):
            first.setdefault(person, row)
        return torch.tensor(list(first.values())[:num_people])

    @property
    def _persons(self) -> tuple[str, ...]:
        return self.people.persons or tuple(f"row {row}" for row in range(len(self)))

    def _take(self, rows: Sequence[int]) -> LatentPoses:
        index = torch.tensor(rows, dtype=torch.long)
        latents = self.latents.take(rows) if isinstance(self.latents, MappedLatents) else self.latents[index]
        return LatentPoses(self.people.rows(index), latents)


def read_latents(folders: Sequence[Path], model: Path, seed: int) -> LatentPoses:
    """The frames of folders of latents, mapped; people in an order drawn from ``seed``, so that the last are a fair
    validation set. Of one person are all records of a dataset with the same person seed: all scans of a subject, with
    their views and frames. The same record key in two datasets is taken for the same person, too.

    Raises InputError if no folder is given, one is unfinished or of another VAE than ``model``'s, or sizes differ.
    """
    if not folders:
        raise InputError(
            "no renders to train on", field="multiview_shards",
            remedy="name one or more folders of six-view shards, or of their latents in reward.latents",
        )  # fmt: skip
    opened = [(folder, shard) for folder in folders for shard in open_latents(folder, model)]
    first = opened[0][1].latents.shape[3:]
    for folder, shard in opened:
        if shard.latents.shape[3:] != first:
            raise InputError(
                "latents of two sizes cannot be trained on together", file=folder / MARKER, field="latents",
                value=f"{tuple(shard.latents.shape[3:])}, before {tuple(first)}",
                remedy="render both datasets at one size, and encode them by one model",
            )  # fmt: skip
    people = cat([shard.without_pictures() for _, shard in opened])
    folders_of_rows = [folder for folder, shard in opened for _ in range(len(shard))]
    people = replace(people, persons=tuple(_persons(folders_of_rows, people)))
    frames: dict[str, list[int]] = {}
    for row, person in enumerate(people.persons):
        frames.setdefault(person, []).append(row)
    names = list(frames)
    order = torch.randperm(len(names), generator=torch_stream(seed, "renders")).tolist()
    rows = [row for place in order for row in frames[names[place]]]
    places = [(file, row) for file, (_, shard) in enumerate(opened) for row in range(len(shard))]
    mapped = MappedLatents([shard.latents for _, shard in opened], [places[row] for row in rows])
    return LatentPoses(people.rows(torch.tensor(rows, dtype=torch.long)), mapped)


def _persons(folders: Sequence[Path], people: PosedPeople) -> list[str]:
    """Whom each row shows, by the key of the first record of that person; names of persons are those of a folder."""
    nodes: dict[str | tuple[Path, str], int] = {}
    named = zip(people.keys, zip(folders, people.persons, strict=True), strict=True)
    ends = [[nodes.setdefault(name, len(nodes)) for name in pair] for pair in named]
    rows, columns = np.array(ends, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, persons = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    return [first.setdefault(int(persons[row]), key) for row, key in zip(rows, people.keys, strict=True)]
