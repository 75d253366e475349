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

from drpose_ray.core.errors import InputError, is_no_space, no_space
from drpose_ray.core.files.publish import write_json
from drpose_ray.finetune.engine.average import WeightAverage
from drpose_ray.finetune.engine.engine import DenoiserEngine


@dataclass(frozen=True)
class RunState:
    """How far a run has come."""

    iterations: int  # done
    pairs: Mapping[str, Any]  # PairStream.state() of this rank
    guard: Mapping[str, Any]  # StepGuard.state()


def save(
    folder: Path, rank: int, engine: DenoiserEngine, state: RunState, average: WeightAverage | None = None
) -> None:
    """Write this rank's part into its own ``folder``. Collective; the folders of all ranks merged are the checkpoint.

    The part ends with a list of its files, by which ``is_complete`` knows a checkpoint whose upload broke off.

    Raises InputError or OSError if it cannot be written.
    """
    try:
        engine.save(folder)
        if average:
            average.save(folder)
    except (OSError, RuntimeError) as error:
        if not is_no_space(error):
            raise
        raise no_space(folder, error) from error
    files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    part = {"progress": dataclasses.asdict(state), "ranks": engine.world_size, "files": files}
    write_json(folder / _progress_file(rank), part)


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` holds the parts of all ranks, whole."""
    first = folder / _progress_file(0)
    if not first.exists():
        return False
    ranks = json.loads(first.read_text())["ranks"]
    parts = [folder / _progress_file(rank) for rank in range(ranks)]
    if not all(part.exists() for part in parts):
        return False
    files = [item for part in parts for item in json.loads(part.read_text())["files"].items()]
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in files)


def restore(folder: Path, rank: int, engine: DenoiserEngine, average: WeightAverage | None = None) -> RunState:
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
    return RunState(**json.loads(path.read_text())["progress"])


def _progress_file(rank: int) -> str:
    return f"progress_rank_{rank:05d}.json"
