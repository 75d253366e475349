"""A run of Ray Train: refused input ends it at once, and on a private Ray its workers meet without opening a port."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train._internal.utils import get_address_and_port
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _set_torch_distributed_env_vars, _setup_torch_process_group, _TorchBackend
from ray.train.v2._internal.execution.failure_handling import DefaultFailurePolicy, FailureDecision
from ray.train.v2.api.exceptions import TrainingFailedError

from drpose_ray.core.errors import refusal_in
from drpose_ray.core.private_ray.on_ray import instance_folder


def run_trainer(trainer: TorchTrainer) -> None:
    """``trainer.fit()``; input that a worker refused is not tried again, and is raised here as that InputError."""
    folder = instance_folder()
    if folder:
        trainer.backend_config = _MeetingInAFile(**vars(trainer.backend_config), folder=str(folder))
    run = trainer._initialize_and_run_controller  # noqa: SLF001 - where Ray's own policy of failures is handed over

    def run_with_own_policy(**parts: Any) -> Any:
        return run(**{**parts, "failure_policy": _RefusalsEnd(trainer.run_config.failure_config)})

    trainer._initialize_and_run_controller = run_with_own_policy  # noqa: SLF001
    trainer._register_sigint_handler = lambda _: None  # noqa: SLF001 - Ctrl-C is answered by core/stopping.py
    try:
        trainer.fit()
    except TrainingFailedError as error:
        refused = refusal_in(error)
        if refused is None:
            raise
        raise refused from None


class Worker:
    """A worker of Ray Train as one of the processes that share a training (``DataParallel``)."""

    def __init__(self) -> None:
        context = ray.train.get_context()
        self.rank, self.size = context.get_world_rank(), context.get_world_size()

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """One message for all tensors: there are many small ones."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))


class _RefusalsEnd(DefaultFailurePolicy):  # type: ignore[misc]
    """Ray restarts workers whatever they raised; input that was refused will be refused again."""

    def make_decision(self, training_failed_error: TrainingFailedError) -> FailureDecision:
        if refusal_in(training_failed_error) is not None:
            return FailureDecision.RAISE
        return super().make_decision(training_failed_error)


@dataclass
class _MeetingInAFile(TorchConfig):  # type: ignore[misc]
    """torch's TCP store listens on every interface and asks for no token; on one machine a file does as well."""

    folder: str = ""

    @property
    def backend_cls(self) -> type:
        return _FileBackend


class _FileBackend(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: _MeetingInAFile) -> None:
        # Nobody listens at this port. DeepSpeed names its shared memory by it.
        address, port = worker_group.execute_single(0, get_address_and_port)
        worker_group.execute(_set_master, address, port)
        worker_group.execute(_set_torch_distributed_env_vars)
        store = Path(backend_config.folder) / f"process_group_{uuid.uuid4().hex}"  # each attempt begins with a new one
        ray.get(
            [
                worker_group.execute_single_async(
                    rank,
                    _setup_torch_process_group,
                    backend=backend_config.backend,
                    world_rank=rank,
                    world_size=len(worker_group),
                    init_method=store.as_uri(),
                    timeout_s=backend_config.timeout_s,
                )
                for rank in range(len(worker_group))
            ]
        )


def _set_master(address: str, port: int) -> None:
    os.environ.update(MASTER_ADDR=address, MASTER_PORT=str(port))
