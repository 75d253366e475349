"""Settings of where rollouts are made (``rollout``, ``rollout_pool``)."""

from __future__ import annotations

from pydantic import Field

from drpose_ray.core.settings.config import Config


class RolloutActors(Config):
    """Processes of their own for the rollouts."""

    num: int = Field(ge=1, description="Number of processes that only roll out, a multiple of the workers.")
    gpus: float = Field(0, ge=0, description="GPUs of each of them.")
    staleness: int = Field(
        0,
        ge=0,
        le=1,
        description="With 1 the next iteration is rolled out while this one trains, with weights one step old (not "
        "exact).",
    )


class RolloutConfig(Config):
    """Where and how a rollout is computed."""

    actors: RolloutActors | None = Field(
        None, description="Processes of their own for the rollouts; null rolls out in the worker."
    )
    compile: bool = Field(
        False, description="Whether torch.compile compiles the denoiser for rollouts; it needs a compiler."
    )

    @property
    def staleness(self) -> int:
        """How many steps old the weights of a rollout are."""
        return self.actors.staleness if self.actors else 0
