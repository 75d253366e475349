"""What a dataset will take: shards, bytes, GPU and CPU hours, cost, failures. Loads no weights and builds nothing.

drpose data plan --config configs/small.yaml --synthesis.workers 64
drpose data plan --config configs/paper.yaml --planning.num_photos 526 --planning.cpu_price_per_hour 0.04
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.poses.sampling.selection import select_windows
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.config import SynthesisConfig
from drpose_ray.synthesis.planning.config import PlanningConfig
from drpose_ray.synthesis.planning.estimate import SynthesisEstimate, estimate, format_estimate


class PlanSynthesisConfig(Config):
    """Settings of jobs/plan_synthesis.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the plan is kept, and its seed.")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="The dataset as it would be built.")
    planning: PlanningConfig = Field(
        default=PlanningConfig(), description="For which sizes, on what and at which price it is planned."
    )

    @property
    def selection(self) -> Path:
        return self.synthesis.selection or self.run.folder / "select_poses" / "selection.parquet"


CONFIG, SUMMARY = PlanSynthesisConfig, SynthesisEstimate


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    plan_synthesis(load_config(CONFIG, argv))


def plan_synthesis(config: PlanSynthesisConfig) -> None:
    """Print the plan and keep it in the run folder."""
    from drpose_ray.synthesis.planning.window_needs import measure_window

    few = choose_windows(config)
    with Progress(f"measuring {len(few)} windows"):
        measured = measure_window(config.synthesis, config.planning, few, config.run.seed)
    found = estimate(config.synthesis, config.planning, measured)
    with open_run(config, config.run.folder / "plan_synthesis", "plan_synthesis") as run:
        run.finish(found)
    print(format_estimate(found))


def choose_windows(config: PlanSynthesisConfig) -> list[PoseWindow]:
    """Windows to measure: the first of the selection, or of procedural dances where nothing is selected yet."""
    from drpose_ray.poses.procedural.dance import generate_dances
    from drpose_ray.poses.windows_file import read_selection

    num = config.planning.measured_windows
    if config.synthesis.selection or config.selection.exists():
        return read_selection(config.selection, config.synthesis.split)[:num]
    return select_windows(generate_dances(config.run.seed, num, 300), num, 10).windows
