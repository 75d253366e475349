"""Views of many photos on a Ray cluster: one row is a handful of photos, decoded, denoised and written in an actor.

Only names go out and come back; images stay where they are. Every node must see photos, model and output under the
same paths. A photo that has views is skipped, one that cannot be used becomes a row with the reason
(``diffusion.inference.drawing``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.data
import torch

from drpose_ray.core.on_ray import Loaded, local_or_cluster_ray, refusals_in_rows, unrefused
from drpose_ray.diffusion.inference.config import GenerateConfig
from drpose_ray.diffusion.inference.drawing import draw_all, has_views
from drpose_ray.diffusion.inference.photo import PhotoFile


@dataclass(frozen=True)
class Outcome:
    """What became of one photo; ``problem`` is empty where its views were written."""

    name: str
    problem: str


def generate_on_ray(config: GenerateConfig, seed: int, files: Sequence[PhotoFile], output: Path) -> Iterator[Outcome]:
    """Write the views of all photos that have none yet; yields an outcome per photo, as they finish."""
    yield from (Outcome(file.name, file.problem) for file in files if file.problem)
    todo = [file for file in files if not file.problem and not has_views(output, file)]
    if not todo:
        return
    tasks = [todo[i : i + config.photos_per_task] for i in range(0, len(todo), config.photos_per_task)]
    workers = min(config.workers, len(tasks))
    with local_or_cluster_ray(num_cpus=max(1, round(workers * config.cpus_per_worker))):
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        items = [{"names": [f.name for f in task], "paths": [str(f.path) for f in task]} for task in tasks]
        rows = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            fn_constructor_args=(config, seed, output),
            batch_size=1,
            num_cpus=config.cpus_per_worker,
            num_gpus=config.gpus_per_worker or None,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
        for row in unrefused(rows.iter_rows()):
            yield Outcome(row["name"], row["problem"])


class _Worker:
    """Lives in one actor and keeps its model from task to task."""

    def __init__(self, config: GenerateConfig, seed: int, output: Path) -> None:
        from drpose_ray.diffusion.inference.generate import ViewGenerator  # with diffusers, which only workers need

        device = torch.device("cuda" if config.gpus_per_worker else "cpu")
        self._generator = Loaded(lambda: ViewGenerator.load(config, seed, device))
        self._config, self._seed, self._output = config, seed, output

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return refusals_in_rows(self._draw, batch, ("name", "problem"))

    def _draw(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        config = self._config
        (names,), (paths,) = batch["names"], batch["paths"]
        files = [PhotoFile(str(name), Path(str(path))) for name, path in zip(names, paths, strict=True)]
        record = {
            "model": config.model.name, "seed": self._seed, "num_sampling_steps": config.num_sampling_steps,
            "guidance_scale": config.guidance_scale, "eta": config.eta, "precision": config.precision,
        }  # fmt: skip
        problems = draw_all(self._generator.get(), files, self._output, record, config.photos_per_call)
        return {"name": list(problems), "problem": list(problems.values())}
