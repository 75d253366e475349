"""Settings of how one training is spread over workers, memory and time (``engine``, ``reference``; docs/memory.md).

Where and in which pieces the same function is computed changes the rounding at most.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config

Reference = Literal["resident", "offloaded", "sharded", "adapter_off"]


class ParallelConfig(Config):
    """Data parallelism under DeepSpeed, and what fits into a device's memory."""

    num_workers: int = Field(1, ge=1, description="Number of data-parallel processes (paper: one GPU).")
    zero_stage: int = Field(2, ge=1, le=3, description="DeepSpeed's ZeRO stage.")
    offload: tuple[Literal["optimizer", "parameters"], ...] = Field(
        (),
        description="What is kept in host memory between uses: the optimizer's state (ZeRO 1 to 3), the parameters "
        "(ZeRO 3), or both.",
    )
    reference: Reference = Field(
        "resident",
        description="Where the initial model of the KL term is kept. resident: beside the trained one; offloaded: in "
        "host memory, streamed block by block; sharded: over the workers' memory (ZeRO 3); adapter_off: nowhere, it is "
        "the trained model without its LoRA.",
    )
    block_checkpointing: bool = Field(
        False,
        description="Whether each block is computed again in the backward pass, for a fifth of the activations and a "
        "third more time.",
    )
    objects_per_replay: int | None = Field(
        None,
        ge=1,
        description="Number of objects in one replayed call, by default all of a worker's; the result is exact, as "
        "objects do not mix.",
    )

    @model_validator(mode="after")
    def _check(self) -> ParallelConfig:
        if "parameters" in self.offload and self.zero_stage != 3:
            raise InputError(
                "only ZeRO 3 can keep weights elsewhere between uses", field="offload", value=list(self.offload),
                remedy=f"use zero_stage: 3 instead of {self.zero_stage}",
            )  # fmt: skip
        return self
