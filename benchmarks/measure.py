"""How the benchmarks measure time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from drpose_ray.finetune.memory.memory import LiveBytes


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Most bytes alive at once during ``work``, above those before it, such as weights and gradient buffers."""
    if device.type != "cuda":
        with LiveBytes() as counted:
            work()
        return counted.peak
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """CPU seconds of the process, which neighbours lengthen little; wall seconds on CUDA."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start
