"""How many GPUs the workers of a job ask Ray for: by declaration, so that a cluster can grow to it."""

from __future__ import annotations

import ray
import torch

from drpose_ray.core.device import Device, say
from drpose_ray.core.errors import InputError
from drpose_ray.core.on_ray import cluster_address, local_or_cluster_ray


def choose_gpus(
    wanted: Device, workers: int, per_worker: float | None = None, *, others: float = 0, may_share: bool = False
) -> float:
    """GPUs of each of ``workers`` processes, 0 for the CPU, said in one line.

    ``auto`` is cuda where this machine, or the cluster with what its autoscaler may start, has as many as are needed.
    ``cuda`` on a cluster asks for them whether or not they are alive: Ray starts the workers when they are.

    Args:
        per_worker: the job's own setting; None leaves it to ``wanted``.
        others: GPUs that further processes of the job ask for.
        may_share: whether workers may share the GPUs of one machine, as those that only infer may.

    Raises InputError if a setting contradicts ``wanted``, or this machine has fewer than are asked for.
    """
    if wanted == "cpu":
        if per_worker or others:
            raise InputError(
                "GPUs are given to processes of a job that is to run on the CPU", field="run.device", value=wanted,
                remedy="leave out the GPUs of its workers and actors, or run.device",
            )  # fmt: skip
        say("cpu", "as asked")
        return 0.0
    if per_worker == 0:
        if wanted == "cuda":
            raise InputError(
                "a job that is to run on GPUs gives its workers none", field="run.device", value=wanted,
                remedy="leave out the number of GPUs, or give a share of one",
            )  # fmt: skip
        say("cpu", "its workers are given no GPU")
        return 0.0
    return _asked(wanted, workers, per_worker, others, may_share)


def _asked(wanted: Device, workers: int, per_worker: float | None, others: float, may_share: bool) -> float:
    on_cluster = cluster_address() is not None
    there = _gpus_of_cluster() if on_cluster or ray.is_initialized() else float(torch.cuda.device_count())
    place = "the cluster" if on_cluster else "this machine"
    each = 1.0 if per_worker is None else per_worker
    if may_share and per_worker is None and not on_cluster and 0 < there < workers + others:
        each = max((there - others) / workers, 0.0)
    need = workers * each + others
    asked = wanted == "cuda" or per_worker is not None or others > 0
    if each and need <= there:
        say("cuda", f"{each:g} GPU for each of {workers} workers")
        return each
    if asked and on_cluster:
        say("cuda", f"{need:g} GPUs are asked for; the cluster shows {there:g}, so this may wait for its autoscaler")
        return each
    if asked:
        raise InputError(
            f"{need:g} GPUs are asked for and this machine has {there:g}", field="run.device", value=wanted,
            remedy="use fewer workers, a smaller share of a GPU, or run.device: cpu",
        )  # fmt: skip
    say("cpu", f"{workers} workers need {need:g} GPUs, {place} has {there:g}")
    return 0.0


def _gpus_of_cluster() -> float:
    """GPUs alive, or those that the autoscaler's configuration allows if they are more."""
    with local_or_cluster_ray(num_cpus=1):
        alive = float(ray.cluster_resources().get("GPU", 0))
        # Ray tells what may be started nowhere else; Ray Data's own autoscaler asks here too.
        most = ray._private.state.state.get_max_resources_from_cluster_config() or {}  # noqa: SLF001
    return max(alive, float(most.get("GPU", 0)))
