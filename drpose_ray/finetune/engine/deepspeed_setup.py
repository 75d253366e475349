"""What DeepSpeed has to be told before its first engine in a process."""

from __future__ import annotations

import logging
import sys
from typing import Any

__all__ = ["deepspeed", "prepare_deepspeed"]

# DeepSpeed's autotuner, which nobody uses here, imports MLflow where there is one: 1.7 s of every worker's start.
_modules: dict[str, Any] = sys.modules
_hidden = _modules.setdefault("mlflow", None) is None
import deepspeed.ops  # noqa: E402

if _hidden:
    del _modules["mlflow"]


def prepare_deepspeed() -> None:
    """Keep DeepSpeed quiet and from compiling ``deepspeed_shm_comm`` (g++, ninja, minutes) whenever it meets gloo.

    The operator's one caller is ``inference_all_reduce``, tensor-parallel inference; training reduces through gloo or
    nccl with or without it. A machine without a C++ compiler thus trains like any other.
    """
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    compatible: dict[str, Any] = deepspeed.ops.__compatible_ops__
    compatible["deepspeed_shm_comm"] = False
