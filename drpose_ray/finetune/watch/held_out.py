"""Watching held-out pairs while training: measures into the log, pictures into a folder, the best model kept."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

from drpose_ray.core.files.publish import write_json
from drpose_ray.core.seeding import derive_seed
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.finetune.data import collate
from drpose_ray.finetune.engine.engine import DenoiserEngine
from drpose_ray.finetune.models import TrainingModels
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.finetune.watch.monitor import HeldOutMonitor, write_samples

_PEOPLE_SHOWN = 2


@dataclass(frozen=True)
class HeldOutFolders:
    """Where a run keeps what it sees: the base's latents, sheets of pictures, the best model so far."""

    base: Path
    samples: Path
    best: Path


class HeldOutWatch:
    """Looks at the held-out pairs, keeps their pictures, and publishes the model that scored best on them."""

    def __init__(
        self,
        config: FinetuneConfig,
        seed: int,
        rank: int,
        models: TrainingModels,
        engine: DenoiserEngine,
        folders: HeldOutFolders,
    ) -> None:
        """Made before any training, or in a run folder whose base latents were written then."""
        assert config.held_out is not None
        reader = ShardReader(config.held_out.dataset, rank=rank, world_size=config.parallel.num_workers)
        share = list(itertools.islice(reader, config.held_out.num // config.parallel.num_workers))
        self._rank, self._models, self._engine, self._folders = rank, models, engine, folders
        self._monitor = HeldOutMonitor(models, collate(share), derive_seed(seed, "held out"))
        self._monitor.begin(engine.rollout_network, folders.base / f"base_{rank:05d}.safetensors")
        self._best_file = folders.best / "held_out.json"
        self._best = json.loads(self._best_file.read_text())["reward"] if self._best_file.exists() else -math.inf

    def look(self, iterations: int) -> dict[str, float]:
        """Metrics after ``iterations``. Collective, and the ranks agree on what is best."""
        seen = self._monitor.measure(self._engine.rollout_network)
        if self._rank == 0:
            pictures = self._models.decode(seen.latents[:, :_PEOPLE_SHOWN])
            write_samples(pictures, self._folders.samples / f"iteration_{iterations:08d}.png")
        if seen.reward > self._best:
            self._best = seen.reward
            weights = self._engine.state_dict()
            if self._rank == 0:
                self._models.export(weights, self._folders.best, iterations)
                write_json(self._best_file, {"iterations": iterations, "reward": seen.reward})
        return seen.metrics()
