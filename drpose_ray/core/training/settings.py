"""How networks are fitted here: the settings of ``Fit``, which load without torch."""

from __future__ import annotations

from pydantic import Field

from drpose_ray.core.settings.config import Config
from drpose_ray.core.training.schedule import Schedule


class FitSettings(Config):
    """What ``Fit`` needs to know."""

    updates: int = Field(default=1000, gt=0, description="Number of optimiser updates.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Learning rate after warm-up.")
    weight_decay: float = Field(default=0.01, ge=0, description="Weight decay of AdamW.")
    warmup_updates: int = Field(default=30, ge=0, description="Number of updates of linear warm-up.")
    cosine_tail: float = Field(default=0.6, gt=0, le=1, description="Share of the updates in which the rate falls.")
    ema_decay: float = Field(
        default=0.995, ge=0, lt=1, description="Decay of the weight average; 0 is the last weights."
    )
    gradient_clip: float = Field(default=5.0, gt=0, description="Largest norm of the gradient.")
    checkpoint_every: int = Field(default=200, gt=0, description="Number of updates between checkpoints.")

    def schedule(self) -> Schedule:
        """Of the learning rate: it ends at 2 %."""
        tail = self.cosine_tail * self.updates
        return Schedule(self.learning_rate, self.warmup_updates + 1, self.updates - tail, tail, last_share=0.02)
