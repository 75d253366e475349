"""What a resumed run needs: weights and optimiser state of all ranks, the iteration, each rank's place in the data.

Random numbers need no state: every stream is derived from the run's seed, the iteration and the sample.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drpose_ray.errors import InputError
from drpose_ray.finetune.average import WeightAverage
from drpose_ray.finetune.engine import DenoiserEngine
from drpose_ray.publish import write_json


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    iterations: int  # done
    pairs: Mapping[str, Any]  # PairStream.state() of this rank
    guard: Mapping[str, Any]  # StepGuard.state()


def save(
    folder: Path, rank: int, engine: DenoiserEngine, progress: Progress, average: WeightAverage | None = None
) -> None:
    """Write this rank's part. Collective; the folders of all ranks merged are the checkpoint (names do not clash)."""
    engine.save(folder)
    if average:
        average.save(folder)
    write_json(folder / _progress_file(rank), dataclasses.asdict(progress))


def restore(folder: Path, rank: int, engine: DenoiserEngine, average: WeightAverage | None = None) -> Progress:
    """Load what ``save`` wrote into ``engine`` and ``average``.

    The folder must be this run's own: DeepSpeed unpickles from it.

    Raises InputError if the checkpoint has no part for this rank: ZeRO's files fit the number of ranks that wrote them.
    """
    path = folder / _progress_file(rank)
    if not path.exists() or (folder / _progress_file(engine.world_size)).exists():
        raise InputError(
            "the checkpoint was written by another number of workers",
            file=folder,
            field="num_workers",
            value=engine.world_size,
            remedy="resume with the same num_workers, or choose a new run folder",
        )
    engine.load(folder)
    if average:
        average.load(folder)
    stored = json.loads(path.read_text())
    return Progress(**stored)


def _progress_file(rank: int) -> str:
    return f"progress_rank_{rank:05d}.json"
