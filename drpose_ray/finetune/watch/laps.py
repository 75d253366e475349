"""Seconds spent in the phases of an update, measured without making the host wait for the GPU."""

from __future__ import annotations

import itertools
import time

import torch

_Mark = float | torch.cuda.Event


class Laps:
    """Ends of phases. On a GPU they are marks in its queue of work, which are read once all of it is done."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: list[tuple[str, _Mark]] = [("", self._mark())]

    def end(self, phase: str) -> None:
        """What was asked for since the last end belongs to ``phase``; a phase may end several times."""
        self._marks.append((phase, self._mark()))

    def seconds(self) -> dict[str, float]:
        """Of each phase, summed. Waits for the GPU to reach the last end."""
        last = self._marks[-1][1]
        if isinstance(last, torch.cuda.Event):
            last.synchronize()
        spent: dict[str, float] = {}
        for (_, begin), (phase, end) in itertools.pairwise(self._marks):
            spent[phase] = spent.get(phase, 0.0) + _between(begin, end)
        return spent

    def _mark(self) -> _Mark:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def _between(begin: _Mark, end: _Mark) -> float:
    if isinstance(begin, float) and isinstance(end, float):
        return end - begin
    assert isinstance(begin, torch.cuda.Event)
    assert isinstance(end, torch.cuda.Event)
    return float(begin.elapsed_time(end)) / 1000  # milliseconds
