"""The sequence of picks behind a selection, and its file: what a larger selection continues.

A selection is the beginning of a sequence. Asking for more windows goes on with it and leaves what was selected as it
was; picks that found no room are kept too, since they decide which pose is farthest next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.reading import refusing


@dataclass(frozen=True)
class Pick:
    """One farthest-point pick, in the order of the sequence."""

    clip: str
    frame: int
    distance: float
    """To the picks before it, in the unit of the features; inf for the first."""
    has_window: bool
    """False if earlier windows held the frames around it."""


def write_picks(path: Path, picks: Mapping[str, Sequence[Pick]], settings: Mapping[str, object]) -> None:
    """Publish the sequences by split as an ``.npz`` of plain arrays, with the settings they were made with."""
    pairs = [(split, pick) for split, sequence in picks.items() for pick in sequence]
    with replace_when_complete(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            settings=np.array(json.dumps(settings, sort_keys=True)),
            split=np.array([split for split, _ in pairs], np.str_),
            clip=np.array([pick.clip for _, pick in pairs], np.str_),
            frame=np.array([pick.frame for _, pick in pairs], np.int64),
            distance=np.array([pick.distance for _, pick in pairs], np.float64),
            has_window=np.array([pick.has_window for _, pick in pairs], np.bool_),
        )


def read_picks(path: Path, settings: Mapping[str, object]) -> dict[str, list[Pick]]:
    """The sequences by split.

    Raises:
        InputError: the file is missing, damaged or no sequence of picks, or was made with other ``settings``: its picks
            would then not give the windows of the earlier selection.
    """
    fields = load_fields(path, ("settings", *_KINDS), max_bytes=_MAX_BYTES)
    for name, kinds in _KINDS.items():
        fits = name in fields and fields[name].dtype.kind in kinds and fields[name].ndim == 1
        if not fits or len(fields[name]) != len(fields["split"]):
            raise InputError("no sequence of picks", file=path, field=name, remedy=_REMEDY)
    for name, wrong in (("frame", fields["frame"] < 0), ("distance", ~(fields["distance"] >= 0))):
        if wrong.any():
            raise InputError(
                f"a {name} that is none", file=path, field=name, value=fields[name][wrong][0].item(), remedy=_REMEDY
            )
    with refusing(path, "settings", "no sequence of picks", _REMEDY):
        made_with = dict(json.loads(str(fields["settings"])))
    for name, value in settings.items():
        if made_with.get(name) != value:
            raise InputError(
                f"the earlier selection was made with {name} {made_with.get(name)}",
                file=path,
                field=f"poses.{name}",
                value=value,
                remedy="keep the setting, or begin a new selection",
            )
    picks: dict[str, list[Pick]] = {}
    columns = (fields[name].tolist() for name in _KINDS)
    for split, clip, frame, distance, has_window in zip(*columns, strict=True):
        picks.setdefault(split, []).append(Pick(clip, frame, distance, has_window))
    return picks


_KINDS = {"split": "U", "clip": "U", "frame": "i", "distance": "f", "has_window": "b"}
_MAX_BYTES = 2**30
_REMEDY = "give the picks.npz of an earlier jobs/select_poses.py"
