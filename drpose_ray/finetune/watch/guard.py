"""Micro-steps that would wreck the model: not finite, or far off what the run has seen. Skipped, and counted."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from drpose_ray.core.errors import InputError

_HISTORY = 50
_MOST_NONFINITE = 20
_LEAST_HISTORY = 20
_LEAST_SPREAD = 0.02  # of the median: rewards that happen to agree are no reason to refuse a slightly different one
_NORMAL_MAD = 1.4826  # of a normal distribution: standard deviation over median absolute deviation


class StepGuard:
    """Judges each micro-batch by its reward before anything is back-propagated. All ranks judge alike.

    A spike is a mean reward more than ``spike_factor`` robust standard deviations below the median of the last 50
    accepted ones. Its history is part of the run's state.
    """

    def __init__(self, spike_factor: float, device: torch.device) -> None:
        self._factor, self._device = spike_factor, device
        self._rewards: deque[float] = deque(maxlen=_HISTORY)
        self.skipped = self._nonfinite_in_a_row = 0

    def accepts(self, reward: Float[Tensor, " B"], cotangent: Float[Tensor, ...]) -> bool:
        """Whether to go on with a micro-batch of rewards and their gradient. Collective.

        Raises InputError on all ranks if none of the last 20 was finite: such a run would end as if it had trained.
        """
        finite = reward.isfinite().all() & cotangent.isfinite().all()
        mean, bad_ranks = _sum_over_ranks([torch.where(finite, reward.mean(), 0.0), ~finite], self._device)
        mean /= dist.get_world_size()
        self._nonfinite_in_a_row = self._nonfinite_in_a_row + 1 if bad_ranks else 0
        if self._nonfinite_in_a_row >= _MOST_NONFINITE:
            raise InputError(
                f"the reward or its gradient was not finite {_MOST_NONFINITE} times in a row: nothing is trained",
                field="skipped_micro_steps", value=self.skipped + 1,
                remedy="check the base model and the predictor (or your own reward), and finetune.model.precision",
            )  # fmt: skip
        if bad_ranks or self._is_spike(mean):
            self.skipped += 1
            return False
        self._rewards.append(mean)
        return True

    def backward(self, loss: Float[Tensor, ""], backward: Callable[[Tensor], object]) -> bool:
        """``backward(loss)``, unless some rank's loss is not finite. Collective: either all ranks do it or none.

        Whether it was done.
        """
        (bad_ranks,) = _sum_over_ranks([~loss.isfinite()], self._device)
        if bad_ranks:
            self.skipped += 1
            return False
        backward(loss)
        return True

    def state(self) -> dict[str, object]:
        """JSON-able."""
        return {"rewards": list(self._rewards), "skipped": self.skipped}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from ``state()``."""
        rewards, skipped = state["rewards"], state["skipped"]
        assert isinstance(rewards, list)
        assert isinstance(skipped, int)
        self._rewards, self.skipped = deque(rewards, maxlen=_HISTORY), skipped

    def _is_spike(self, mean: float) -> bool:
        if len(self._rewards) < _LEAST_HISTORY:
            return False
        median = statistics.median(self._rewards)
        spread = _NORMAL_MAD * statistics.median(abs(value - median) for value in self._rewards)
        return mean < median - self._factor * max(spread, _LEAST_SPREAD * abs(median))


def _sum_over_ranks(values: list[torch.Tensor], device: torch.device) -> list[float]:
    """Of scalars; the host waits for the GPU once, whatever their number."""
    summed = torch.stack([value.detach().to(device, torch.float64) for value in values])
    dist.all_reduce(summed)
    return summed.tolist()
