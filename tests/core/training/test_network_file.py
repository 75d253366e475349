"""Weights that are not finite are neither read nor written: a predictor of NaN gives rewards that train nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from drpose_ray.core.errors import InputError
from drpose_ray.evaluation.estimator.estimator import PoseEstimator
from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig
from drpose_ray.reward.config import PredictorConfig
from drpose_ray.reward.predictor import SkeletonPredictor

NETWORKS = [
    SkeletonPredictor(PredictorConfig(map_size=16, channels=(8,))),
    PoseEstimator(EstimatorConfig(channels=(8, 8), view_features=8, hidden=8)),
]


@pytest.mark.parametrize("network", NETWORKS, ids=["predictor", "estimator"])
def test_a_weight_that_is_not_finite_is_refused_when_read(network: SkeletonPredictor, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    network.save(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as stored:
        metadata = stored.metadata()
    name = next(iter(tensors))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(InputError, match="not finite") as refused:
        type(network).load(path)
    assert refused.value.field == name
    del tensors[name]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(InputError, match="do not fit the configured network"):
        type(network).load(path)


def test_a_network_that_diverged_is_not_written(tmp_path: Path) -> None:
    network = SkeletonPredictor(PredictorConfig(map_size=16, channels=(8,)))
    with torch.no_grad():
        network.enter.weight.fill_(1e6)  # infinite in half precision
    with pytest.raises(InputError, match="were not written"):
        network.save(tmp_path / "network.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("network", "lie"),
    [
        (NETWORKS[0], {"latent_channels": 10**9}), (NETWORKS[0], {"channels": [10**9]}),
        (NETWORKS[0], {"channels": [8] * 5000}), (NETWORKS[0], {"channels": [12]}), (NETWORKS[0], {"channels": []}),
        (NETWORKS[1], {"input_size": 10**9}), (NETWORKS[1], {"hidden": 10**9}),
        (NETWORKS[1], {"channels": [10**6] * 9}),
    ],
)  # fmt: skip
def test_a_file_that_describes_a_network_it_does_not_hold_is_refused_before_that_is_built(
    network: SkeletonPredictor, lie: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "network.safetensors"
    name = type(network.config).__name__
    described = json.dumps({**network.config.model_dump(), **lie})
    save_file(network.state_dict(), path, metadata={name: described})
    with pytest.raises(InputError):
        type(network).load(path)


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.int64, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_numbers_are_refused(kind: torch.dtype, tmp_path: Path) -> None:
    network, path = NETWORKS[0], tmp_path / "network.safetensors"
    tensors = {name: tensor.to(kind) for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"PredictorConfig": network.config.model_dump_json()})
    with pytest.raises(InputError, match="other shape or kind"):
        SkeletonPredictor.load(path)


def test_a_weight_that_single_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    network, path = NETWORKS[0], tmp_path / "network.safetensors"
    stored = network.state_dict().items()
    tensors = {name: torch.full_like(tensor, 1e300, dtype=torch.float64) for name, tensor in stored}
    save_file(tensors, path, metadata={"PredictorConfig": network.config.model_dump_json()})
    with pytest.raises(InputError, match="cannot hold"):
        SkeletonPredictor.load(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "network.safetensors")
    with pytest.raises(InputError):
        SkeletonPredictor.load(tmp_path / "network.safetensors")
