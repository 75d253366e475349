"""Phases are timed, each under its name, on whatever device."""

from __future__ import annotations

import time

import pytest
import torch

from drpose_ray.finetune.watch.laps import Laps

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])])
def test_a_phase_that_ends_twice_is_summed(device: str) -> None:
    began, laps = time.perf_counter(), Laps(torch.device(device))
    for phase, nap in (("rollout", 0.02), ("reward", 0.0), ("rollout", 0.02)):
        time.sleep(nap)
        laps.end(phase)
    seconds = laps.seconds()
    assert list(seconds) == ["rollout", "reward"] and seconds["rollout"] >= 0.04
    assert sum(seconds.values()) <= time.perf_counter() - began
