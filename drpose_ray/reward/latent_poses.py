"""What the skeleton predictor is trained on: encoded six-view renders with their poses, and who they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drpose_ray.errors import InputError
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.latents.store import MARKER, MappedLatents, ShardLatents, open_latents
from drpose_ray.reward.skeleton_maps import render_target_maps
from drpose_ray.seeding import torch_stream


@dataclass(frozen=True)
class LatentPoses:
    """N frames, in memory (all tensors on one device) or with latents that are read from disk when they are picked."""

    latents: torch.Tensor | MappedLatents  # (N, M=2, V=6, C, h, w) float16 or float32, normals first
    joints_world: torch.Tensor  # (N, 23, 3) metres
    center_world: torch.Tensor  # (N, 3) metres
    width_m: torch.Tensor  # (N,) metres
    people: tuple[str, ...] = ()  # (N,) who each frame shows; if empty, each frame shows somebody else

    def __len__(self) -> int:
        return len(self.latents)

    def pick(
        self, rows: torch.Tensor, views: torch.Tensor, map_size: int, device: torch.device | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (M, B, v, C, h, w) float32 and target maps (B, v, 23, s, s) of some rows and views, on ``device``.

        Raises InputError if a latent is not finite.
        """
        rows, views = rows.to(self.joints_world.device), views.to(self.joints_world.device)
        device = device or self.joints_world.device
        latents = self.latents[rows][:, :, views]
        finite = latents.isfinite().flatten(1).all(1)
        if not finite.all():
            row = int(rows[~finite][0])
            raise InputError(
                "latents that are not finite", field="latents", value=self.people[row] if self.people else f"row {row}",
                remedy="encode the dataset again (jobs/encode_latents.py), and check the VAE's weights",
            )  # fmt: skip
        azimuths = torch.tensor(VIEW_AZIMUTHS_DEG, device=device)[views.to(device)]
        joints, center, width = (
            t[rows].to(device).float() for t in (self.joints_world, self.center_world, self.width_m)
        )
        maps = render_target_maps(joints, center, width, azimuths, map_size)
        return latents.to(device).float().transpose(0, 1), maps

    def hold_out(self, num_people: int) -> tuple[LatentPoses, LatentPoses]:
        """The frames of all people but the last ``num_people``, and the frames of those: never one person in both.

        Raises InputError if nobody is left.
        """
        people = self.people or tuple(map(str, range(len(self))))
        distinct = list(dict.fromkeys(people))
        if len(distinct) <= num_people:
            raise InputError(
                "no samples left to train on", field="fit.validation_samples", value=num_people,
                remedy=f"hold out fewer than the {len(distinct)} people given",
            )  # fmt: skip
        last = set(distinct[len(distinct) - num_people :])
        rows = range(len(self))
        return self._take([row for row in rows if people[row] not in last]), self._take(
            [row for row in rows if people[row] in last]
        )

    def _take(self, rows: Sequence[int]) -> LatentPoses:
        index = torch.tensor(rows, dtype=torch.long, device=self.joints_world.device)
        return LatentPoses(
            self.latents.take(rows) if isinstance(self.latents, MappedLatents) else self.latents[index],
            self.joints_world[index],
            self.center_world[index],
            self.width_m[index],
            tuple(self.people[row] for row in rows) if self.people else (),
        )


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
    shards = [shard for _, shard in opened]
    frames: dict[str, list[int]] = {}
    people = _people(opened)
    for row, person in enumerate(people):
        frames.setdefault(person, []).append(row)
    names = list(frames)
    order = torch.randperm(len(names), generator=torch_stream(seed, "renders")).tolist()
    rows = [row for place in order for row in frames[names[place]]]
    places = [(file, row) for file, shard in enumerate(shards) for row in range(len(shard.sample_ids))]
    return LatentPoses(
        MappedLatents([shard.latents for shard in shards], [places[row] for row in rows]),
        torch.cat([shard.joints_world for shard in shards])[rows],
        torch.cat([shard.center_world for shard in shards])[rows],
        torch.cat([shard.width_m for shard in shards])[rows],
        tuple(people[row] for row in rows),
    )


def _people(shards: Sequence[tuple[Path, ShardLatents]]) -> list[str]:
    """Whom each sample of (folder, shard) pairs shows, by the key of the first record of that person."""
    keys = [sample.rsplit(".", 1)[0] for _, shard in shards for sample in shard.sample_ids]
    seeds = [(folder, seed) for folder, shard in shards for seed in shard.person_seeds]
    nodes: dict[str | tuple[Path, int], int] = {}
    ends = [[nodes.setdefault(name, len(nodes)) for name in pair] for pair in zip(keys, seeds, strict=True)]
    rows, columns = np.array(ends, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, persons = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    return [first.setdefault(int(persons[row]), key) for row, key in zip(rows, keys, strict=True)]
