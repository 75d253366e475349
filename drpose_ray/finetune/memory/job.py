"""What a finetune configuration needs on each worker's device, from counts alone; loads no weights.

drpose finetune plan-memory --config configs/paper.yaml
drpose finetune plan-memory --config configs/paper.yaml --finetune.model.lora_rank 16 --finetune.parallel.zero_stage 3
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.job import run_job
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.finetune.settings.finetune import FinetuneConfig


class PlanMemoryConfig(Config):
    """Settings of jobs/plan_memory.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the plan is kept.")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="The configuration to plan for.")


class PlanMemorySummary(Summary):
    """What jobs/plan_memory.py reports: bytes on one worker's device."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    reference: int
    activations: int
    peak: int = Field(description="the sum of the others")


CONFIG, SUMMARY = PlanMemoryConfig, PlanMemorySummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    job = load_config(CONFIG, argv)
    config = job.finetune

    from drpose_ray.core.files.weight_files import read_model_json
    from drpose_ray.diffusion.unet.unet_config import read_unet_config
    from drpose_ray.finetune.memory.plan_memory import plan_memory

    file = config.model.base / "unet" / "config.json"
    fields = read_model_json(file)
    read_unet_config(fields, file)
    plan = plan_memory(config, fields)
    summary = PlanMemorySummary(**dataclasses.asdict(plan), peak=plan.peak)
    with open_run(job, job.run.folder / "plan_memory", "plan_memory") as run:
        run.finish(summary)
    for name, value in summary:
        print(f"{name:12} {value / 2**30:8.2f} GiB")
    print("Counted: add what the allocator rounds up, kernels' workspace and the CUDA context (allow 10 to 15 %).")
