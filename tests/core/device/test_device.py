"""What ``run.device`` means, in a job's own process and for its workers."""

from __future__ import annotations

import pytest
import ray
import torch

from drpose_ray.core.device import choose_device
from drpose_ray.core.device.on_ray import choose_gpus
from drpose_ray.core.errors import InputError
from drpose_ray.core.private_ray.on_ray import FOLDER_VARIABLE

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@without_gpu
def test_without_a_gpu_auto_says_that_it_takes_the_cpu_and_cuda_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_device("auto").type == "cpu"
    assert capsys.readouterr().out == "device: cpu (torch sees no GPU on this machine)\n"
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="sees no GPU") as refused:
        choose_device("cuda")
    assert refused.value.field == "run.device"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_with_a_gpu_auto_takes_it_and_cpu_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_device("auto").type == choose_device("cuda").type == "cuda"
    assert torch.cuda.get_device_name() in capsys.readouterr().out
    assert choose_device("cpu").type == "cpu"


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="is to run on the CPU"):
        choose_gpus("cpu", 1, 0.5)
    with pytest.raises(InputError, match="is to run on the CPU"):
        choose_gpus("cpu", 1, others=1)
    with pytest.raises(InputError, match="gives its workers none"):
        choose_gpus("cuda", 1, 0)
    assert choose_gpus("cpu", 1) == choose_gpus("auto", 1, 0) == 0


@pytest.mark.parametrize(
    ("there", "workers", "per_worker", "may_share", "expected"),
    [(0, 1, None, False, 0), (1, 1, None, False, 1), (1, 2, None, False, 0), (1, 2, None, True, 0.5),
     (2, 2, 0.25, False, 0.25), (4, 2, None, True, 1)],
)  # fmt: skip
def test_auto_takes_the_gpus_of_this_machine_if_they_are_enough(
    monkeypatch: pytest.MonkeyPatch,
    there: int,
    workers: int,
    per_worker: float | None,
    may_share: bool,
    expected: float,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    assert choose_gpus("auto", workers, per_worker, may_share=may_share) == expected


def test_a_local_address_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="this machine has 0"):
        choose_gpus("cuda", 1)


@without_gpu
def test_a_cluster_is_asked_for_gpus_that_are_not_alive_yet(
    ray_session: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ray.core.generated.autoscaler_pb2 import ClusterConfig

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match="1 GPUs are asked for and this machine has 0"):
        choose_gpus("cuda", 1)
    assert choose_gpus("auto", 1) == 0

    # As in a submitted job; the test is connected already, to an instance that is private.
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert choose_gpus("cuda", 2) == 1
    assert "2 GPUs are asked for; the cluster shows 0" in capsys.readouterr().out
    assert choose_gpus("auto", 2) == 0
    client = ray._private.worker.global_worker.gcs_client
    growing = ClusterConfig()
    growing.node_group_configs.add(resources={"CPU": 4, "GPU": 1}, max_count=2, name="gpus")
    growing.max_resources["GPU"] = 2
    try:
        client.report_cluster_config(growing.SerializeToString())
        assert choose_gpus("auto", 2) == 1
        assert choose_gpus("auto", 3) == 0
    finally:
        client.report_cluster_config(ClusterConfig().SerializeToString())
