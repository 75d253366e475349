"""Ranks of a process group as processes of this machine. They are forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

IMPORTED_ONCE = ["drpose_ray.finetune.engine.engine", "drpose_ray.finetune.models", "drpose_ray.finetune.step"]


def run_ranks(work: Callable[..., None], size: int, folder: Path, *arguments: Any) -> None:
    """``work(rank, *arguments)`` in ``size`` processes, which meet in a file of ``folder``. Raises what one raised."""
    os.environ["DS_ACCELERATOR"] = "cpu"  # read when DeepSpeed is imported
    multiprocessing.set_forkserver_preload(IMPORTED_ONCE)
    torch.multiprocessing.start_processes(
        _as_rank, (work, size, str(folder), arguments), nprocs=size, start_method="forkserver"
    )


def _as_rank(rank: int, work: Callable[..., None], size: int, folder: str, arguments: tuple[Any, ...]) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")  # where nobody listens
    os.environ.update(TORCH_EXTENSIONS_DIR=f"{folder}/extensions")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=Path(folder, "meeting").as_uri(), rank=rank, world_size=size)
    work(rank, *arguments)
    dist.destroy_process_group()
