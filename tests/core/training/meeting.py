"""Threads of one process as the processes of a data-parallel training."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch


class Meeting:
    """Where ``size`` threads average their tensors."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.brought: dict[int, list[torch.Tensor]] = {}
        self.barrier = threading.Barrier(size, timeout=60)

    def shares(self) -> list[MeetingShare]:
        return [MeetingShare(self, rank) for rank in range(self.size)]


@dataclass(frozen=True)
class MeetingShare:
    """One thread as a ``DataParallel``."""

    meeting: Meeting
    rank: int

    @property
    def size(self) -> int:
        return self.meeting.size

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        self.meeting.brought[self.rank] = [tensor.clone() for tensor in tensors]
        self.meeting.barrier.wait()
        means = [
            sum(group) / self.size for group in zip(*(self.meeting.brought[r] for r in range(self.size)), strict=True)
        ]
        self.meeting.barrier.wait()
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean)
