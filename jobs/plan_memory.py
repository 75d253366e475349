"""What a finetune configuration needs on each worker's device, from counts alone; loads no weights.

python -m jobs.plan_memory --config configs/paper.yaml
python -m jobs.plan_memory --config configs/paper.yaml --finetune.trained lora --finetune.reference adapter_off
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydantic import Field

from drpose_ray.config import Config, load_config
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.runs import RunSettings
from jobs import run_job


class PlanMemoryConfig(Config):
    """Settings of jobs/plan_memory.py."""

    run: RunSettings = Field(default=RunSettings(), description="not used: a plan leaves no folder")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="the configuration to plan for")


CONFIG = PlanMemoryConfig


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv).finetune

    from drpose_ray.diffusion.weight_files import read_json
    from drpose_ray.finetune.plan_memory import plan_memory

    plan = plan_memory(config, read_json(config.base / "unet" / "config.json"))
    for name in ("weights", "gradients", "optimizer", "reference", "activations", "peak"):
        print(f"{name:12} {getattr(plan, name) / 2**30:8.2f} GiB")
    print("Counted: add what the allocator rounds up, kernels' workspace and the CUDA context (allow 10 to 15 %).")


if __name__ == "__main__":
    sys.exit(main())
