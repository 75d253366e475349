"""What ``card.json`` says of a dataset."""

from __future__ import annotations

from typing import Literal

from drpose_ray.datasets.identity import Stored


class FrameCount(Stored):
    """How many frames there are of something, and how many of them are read."""

    name: str
    frames: int
    frames_ok: int


class RejectedCount(Stored):
    """Frames that are not read, by what became of them."""

    state: Literal["failed", "filtered"]
    reason: str
    frames: int


class GeneratorCard(Stored):
    """One way in which images of the dataset were drawn."""

    name: str
    settings_sha256: tuple[str, ...]
    """Several only if datasets of other settings were merged."""
    body_sha256: tuple[str, ...]
    share: float
    """Of the shards, as planned."""
    frames: int
    frames_ok: int
    images: dict[str, tuple[tuple[int, ...], ...]]
    """Name -> all (height, width, channels) that there are."""
    free_twin: bool
    """Whether it stands in for MIMO."""


class SegmentCard(Stored):
    """Sequences that were planned together: how the dataset grew."""

    sequences: int
    frames: int
    shards: int


class DatasetCard(Stored):
    """``card.json``; ``frames == frames_ok + frames_failed + frames_filtered``."""

    version: Literal[1] = 1
    name: str
    built: str | None
    """Date of the build's run record, if there is one."""
    manifest_sha256: str
    frames: int
    frames_ok: int
    frames_failed: int
    frames_filtered: int
    rejected: tuple[RejectedCount, ...]
    sequences: int
    sequences_ok: int
    duplicates: int
    """Sequences that are stored and not read."""
    shards: int
    bytes: int
    segments: tuple[SegmentCard, ...]
    generators: tuple[GeneratorCard, ...]
    sources: tuple[FrameCount, ...]
    licences_of_motions: tuple[FrameCount, ...]
    licences_of_bodies: tuple[FrameCount, ...]
    licences_of_images: tuple[FrameCount, ...]
    rates: tuple[FrameCount, ...]
    """By frames per second."""
    sequence_lengths: tuple[FrameCount, ...]
    """By frames per sequence."""
    diversity_mm: float
    """Fig. 4 measure of the poses that are read (``poses.sampling.diversity``)."""
    diversity_poses: int
    """On how many of them it was measured."""
    diversity_alignment: str
