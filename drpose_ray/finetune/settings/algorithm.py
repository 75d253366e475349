"""Settings of Algorithm 1: its rollout, its train steps and its loss (``plan``, ``rollout``, ``replay``, ``kl``)."""

from __future__ import annotations

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config
from drpose_ray.finetune.plan import PlanVariant, check_plan


class AlgorithmConfig(Config):
    """The numbers of Algorithm 1, under the paper's names."""

    num_sampling_steps: int = Field(20, ge=1, description="Number of DDIM steps of a rollout, T (notes).")
    num_train_steps: int = Field(2, description="Number of steps drawn for training, K (notes).")
    max_early_stop: int = Field(8, description="Largest step at which a rollout may stop, m (notes).")
    plan: PlanVariant = Field(
        "literal",
        description="How train steps are drawn. literal: as in Algorithm 1, where some draws train fewer than K steps; "
        "in_prefix: among the steps that are executed, so that K train.",
    )
    stops_per_rollout: int = Field(
        1,
        ge=1,
        description="Number of stops drawn per rollout; more give more reward gradients for the same denoiser calls "
        "(ours; paper: 1).",
    )
    eta: float = Field(0.0, ge=0, le=1, description="Noise of the DDIM rollout; 0 is deterministic (assumed).")
    kl_weight: float = Field(
        0.01, ge=0, description="Weight of the KL term of Eq. 2, w_KL; 0 drops the term and the initial model (notes)."
    )

    @model_validator(mode="after")
    def _check(self) -> AlgorithmConfig:
        check_plan(self.num_sampling_steps, self.num_train_steps, self.max_early_stop, self.plan)
        if self.stops_per_rollout > self.max_early_stop:
            raise InputError(
                "more stops than there are steps to stop at", field="stops_per_rollout", value=self.stops_per_rollout,
                remedy=f"choose 1 to max_early_stop = {self.max_early_stop}",
            )  # fmt: skip
        return self
