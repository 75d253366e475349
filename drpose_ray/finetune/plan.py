"""What one iteration of Algorithm 1 draws.

The draws are DRTune's (arXiv 2405.00760): an early stop and K evenly spaced train steps. Read literally, train steps
can fall below the stop and then train nothing: with T = 20, K = 2, m = 8 in 35 % of iterations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from drpose_ray.core.errors import InputError

PlanVariant = Literal["literal", "in_prefix"]


@dataclass(frozen=True)
class TrainPlan:
    """The steps of one iteration, which count T..1.

    ``train_steps`` are descending; those below ``stop_step`` (t_min) are never executed. At each of ``earlier_stops``
    the clean latents are projected and rewarded as well, on the way down: more rewards for the same denoiser calls.
    """

    num_sampling_steps: int
    train_steps: tuple[int, ...]
    stop_step: int
    earlier_stops: tuple[int, ...] = ()

    @property
    def stops(self) -> tuple[int, ...]:
        """All steps at which x0 is projected, the last of the rollout first."""
        return (self.stop_step, *self.earlier_stops)

    @property
    def executed_steps(self) -> range:
        """T..t_min, each one denoiser call."""
        return range(self.num_sampling_steps, self.stop_step - 1, -1)

    @property
    def active_steps(self) -> tuple[int, ...]:
        """The train steps that are executed, descending.

        The literal draw leaves none when even its highest train step, at least ``1 + (K - 1)⌊T / K⌋``, is below the
        stop: possible with K = 1, not with the paper's numbers.
        """
        return tuple(step for step in self.train_steps if step >= self.stop_step)


def check_plan(num_sampling_steps: int, num_train_steps: int, max_early_stop: int, variant: PlanVariant) -> None:
    """Raises InputError if no plan with T, K and m exists."""
    T, K, m = num_sampling_steps, num_train_steps, max_early_stop
    for field, value, most, why in (
        ("num_train_steps", K, T, "num_sampling_steps"),
        ("max_early_stop", m, T, "num_sampling_steps"),
    ):
        if not 1 <= value <= most:
            raise InputError(
                f"not within 1..{why}", field=field, value=value, remedy=f"choose 1 to {most}, or raise {why}"
            )
    shortest_prefix = T - m + 1
    if variant == "in_prefix" and shortest_prefix < K:
        raise InputError(
            f"an iteration that stops at step {m} executes only {shortest_prefix} steps",
            field="num_train_steps",
            value=K,
            remedy=f"choose 1 to {shortest_prefix}, lower max_early_stop, or use the literal plan",
        )


def draw_plan(
    rng: np.random.Generator,
    num_sampling_steps: int,
    num_train_steps: int,
    max_early_stop: int,
    variant: PlanVariant = "literal",
    num_stops: int = 1,
) -> TrainPlan:
    """Draw the stop step uniformly from 1..m and K train steps, evenly spaced from a uniform start.

    With ``num_stops`` n, n different stops are drawn and the lowest ends the rollout.

    ``literal`` spaces them over T..1 as Algorithm 1 does; ``in_prefix`` over the executed T..t_min, so that K train.
    Ranks that draw from equal generators get equal plans, hence equal numbers of denoiser calls.

    Raises:
        InputError: K or m not within 1..T, or for ``in_prefix`` K beyond the shortest prefix.
    """
    check_plan(num_sampling_steps, num_train_steps, max_early_stop, variant)
    if num_stops == 1:
        stops = [int(rng.integers(1, max_early_stop + 1))]
    else:
        stops = sorted(int(step) + 1 for step in rng.choice(max_early_stop, num_stops, replace=False))
    stop_step = stops[0]
    lowest = 1 if variant == "literal" else stop_step
    spacing = (num_sampling_steps - lowest + 1) // num_train_steps
    span = (num_train_steps - 1) * spacing
    start = int(rng.integers(lowest, num_sampling_steps - span + 1))
    train_steps = tuple(range(start + span, start - 1, -spacing))
    return TrainPlan(num_sampling_steps, train_steps, stop_step, tuple(stops[1:]))
