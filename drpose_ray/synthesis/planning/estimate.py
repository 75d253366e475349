"""What a dataset will take before it is built: pure arithmetic on what one window needs (``window_needs``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.core.errors import InputError, printable
from drpose_ray.core.runs.run import Summary
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.synthesis.config import SynthesisConfig
from drpose_ray.synthesis.planning.config import GpuRate, PlanningConfig


class Assumption(BaseModel):
    """One number that an estimate stands on, and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Literal["measured here", "counted", "read", "given", "estimated"]
    what: str
    value: str


@dataclass(frozen=True)
class WindowNeeds:
    """What one window takes, and how that is known."""

    generator: str
    num_frames: int
    stored_bytes: float
    cpu_s: float
    """Seconds of one core."""
    assumptions: tuple[Assumption, ...]
    flop: float = 0
    """On the GPU, for the window itself."""
    flop_of_photo: float = 0
    """On the GPU, whenever a worker does not know the window's photo."""
    flop_of_worker: float = 0
    """On the GPU, once per worker."""
    num_photos: int = 0
    photos_kept: int = 0
    """Photos that a worker knows at a time."""


class SizeEstimate(Summary):
    """What one size of dataset takes with one kind of GPU, or without any."""

    poses: int
    gpu: str | None
    windows: int
    shards: int
    frames: int
    bytes: int
    objects: int = Field(description="files, or objects in S3: shards, their sidecars, plan, manifest and marker")
    peak_disk_bytes: int = Field(description="and one unfinished shard per worker")
    gpu_hours: float = Field(description="of computing")
    gpu_hours_held: float = Field(description="those that are paid: a worker keeps its GPU while its core renders")
    cpu_hours: float = Field(description="of computing")
    wall_hours: float = Field(description="with synthesis.workers")
    cost: float | None = Field(description="GPUs held and one core per worker, in the currency of the prices")
    windows_failed: float = Field(description="expected")
    windows_filtered: float = Field(description="expected")


class SynthesisEstimate(Summary):
    """What jobs/plan_synthesis.py reports."""

    generator: str
    workers: int
    sizes: tuple[SizeEstimate, ...]
    assumptions: tuple[Assumption, ...]


def estimate(synthesis: SynthesisConfig, planning: PlanningConfig, needs: WindowNeeds) -> SynthesisEstimate:
    """All ``planning.sizes`` for windows that need ``needs``. Nothing is drawn, read or written but a manifest.

    Raises InputError if ``planning.failures_like`` is no finished dataset, or MIMO is to run on the CPU.
    """
    gpus_per_worker = 0.0
    if synthesis.mimo:  # planned on a machine with GPUs, whatever this one has
        gpus_per_worker = 1.0 if synthesis.mimo.gpus_per_worker is None else synthesis.mimo.gpus_per_worker
    if needs.flop and not gpus_per_worker:
        raise InputError(
            "MIMO on CPUs is not planned: operations are divided by a GPU's rate",
            field="synthesis.mimo.gpus_per_worker", value=gpus_per_worker, remedy="give a share of a GPU above 0",
        )  # fmt: skip
    shares, of_failures = _failure_shares(planning)
    kinds: tuple[GpuRate | None, ...] = planning.gpus if needs.flop else (None,)
    rows = [
        _one_size(poses, gpu, gpus_per_worker, shares, synthesis, planning, needs)
        for poses in planning.sizes
        for gpu in kinds
    ]
    given = [
        Assumption(
            origin="given", what=f"rate of {gpu.name}", value=f"{gpu.tflops:g} TFLOP/s × {gpu.utilisation:g} sustained"
        )
        for gpu in kinds
        if gpu
    ]
    prices = [(f"hour of {gpu.name}", gpu.price_per_hour) for gpu in kinds if gpu]
    for what, price in [*prices, ("hour of a core", planning.cpu_price_per_hour)]:
        given.append(Assumption(origin="given", what=what, value="no price" if price is None else f"{price:g}"))
    workers = f"{synthesis.workers}, each one core" + (f" and {gpus_per_worker:g} GPU" if needs.flop else "")
    given += [
        Assumption(origin="given", what="workers", value=workers),
        of_failures,
        Assumption(
            origin="estimated", what="left out", value="start of workers, loading of weights, retries, transfers to S3"
        ),
    ]
    return SynthesisEstimate(
        generator=needs.generator,
        workers=synthesis.workers,
        sizes=tuple(rows),
        assumptions=(*needs.assumptions, *given),
    )


def _one_size(
    poses: int,
    gpu: GpuRate | None,
    gpus_per_worker: float,
    shares: tuple[float, float],
    synthesis: SynthesisConfig,
    planning: PlanningConfig,
    needs: WindowNeeds,
) -> SizeEstimate:
    windows = math.ceil(poses / needs.num_frames)
    shards = math.ceil(windows / synthesis.sequences_per_shard)
    workers = min(synthesis.workers, shards)
    cpu_s = windows * needs.cpu_s
    gpu_s = gpu_s_held = 0.0
    price: float | None = 0.0
    worker_s = cpu_s
    if gpu:
        flop = windows * needs.flop + _photo_runs(windows, workers, needs) * needs.flop_of_photo
        gpu_s = (flop + workers * needs.flop_of_worker) / (gpu.tflops * 1e12 * gpu.utilisation)
        # Workers that share a GPU slow one another; one that has several uses one.
        worker_s = cpu_s + gpu_s / min(gpus_per_worker, 1.0)
        gpu_s_held, price = gpus_per_worker * worker_s, gpu.price_per_hour
    cost = None
    if price is not None and planning.cpu_price_per_hour is not None:
        cost = (gpu_s_held * price + worker_s * planning.cpu_price_per_hour) / 3600
    size = windows * needs.stored_bytes
    return SizeEstimate(
        poses=poses,
        gpu=gpu.name if gpu else None,
        windows=windows,
        shards=shards,
        frames=windows * needs.num_frames,
        bytes=round(size),
        objects=2 * shards + 3,
        peak_disk_bytes=round(size + workers * min(synthesis.sequences_per_shard, windows) * needs.stored_bytes),
        gpu_hours=gpu_s / 3600,
        gpu_hours_held=gpu_s_held / 3600,
        cpu_hours=cpu_s / 3600,
        # Shards are the unit of work: the worker with the most of them is last.
        wall_hours=worker_s / 3600 * math.ceil(shards / workers) / shards,
        cost=cost,
        windows_failed=windows * shares[0],
        windows_filtered=windows * shares[1],
    )


def _photo_runs(windows: int, workers: int, needs: WindowNeeds) -> float:
    """How often a photo has to go through the networks: windows draw theirs at random, workers know the last few."""
    known = min(needs.photos_kept, needs.num_photos)
    return min(windows, windows * (1 - known / needs.num_photos) + workers * known)


def _failure_shares(planning: PlanningConfig) -> tuple[tuple[float, float], Assumption]:
    if planning.failures_like is None:
        value = f"{planning.failure_rate:.2%} of the windows fail, none is filtered"
        return (planning.failure_rate, 0.0), Assumption(origin="given", what="failures", value=value)
    found = read_manifest(planning.failures_like)
    frames = found.identity.frames
    shares = found.frames_failed / frames, found.frames_filtered / frames
    value = f"{shares[0]:.2%} failed and {shares[1]:.2%} filtered of {frames} frames of {planning.failures_like}"
    return shares, Assumption(origin="read", what="failures", value=value)


def format_estimate(found: SynthesisEstimate) -> str:
    """The table and what it stands on, for people."""
    with_gpu = any(row.gpu for row in found.sizes)
    head = ["poses", "windows", "shards", "objects", "data GB", "peak GB"]
    head += ["GPU", "GPU-h", "GPU-h held"] if with_gpu else []
    head += ["CPU-h", "wall h", "cost", "failed", "filtered"]
    lines = [head]
    for row in found.sizes:
        gpu = [str(row.gpu), _digits(row.gpu_hours), _digits(row.gpu_hours_held)] if with_gpu else []
        cells = [row.poses, row.windows, row.shards, row.objects]
        hours = [_digits(row.cpu_hours), _digits(row.wall_hours), "-" if row.cost is None else _digits(row.cost)]
        sizes = [_digits(row.bytes / 1e9), _digits(row.peak_disk_bytes / 1e9)]
        expected = [_digits(row.windows_failed), _digits(row.windows_filtered)]
        lines.append([*(f"{cell:,}" for cell in cells), *sizes, *gpu, *hours, *expected])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    notes = [printable(f"{note.origin:>13}  {note.what}: {note.value}") for note in found.assumptions]
    return "\n".join([f"{found.generator}, {found.workers} workers", "", *table, "", "It stands on:", *notes])


def _digits(value: float) -> str:
    """Three digits that count; no more is known."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
