from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CLUSTER = Path(__file__).resolve().parents[1] / "cluster.yaml"


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load(CLUSTER.read_text())


def validate(cluster: dict[str, Any]) -> None:
    private = pytest.importorskip("ray.autoscaler._private.util", reason="Ray moved its validator")
    private.validate_config(private.prepare_config(cluster))


def test_rays_own_validator_accepts_the_file(cluster: dict[str, Any]) -> None:
    validate(cluster)


def test_the_validator_would_refuse_a_misspelt_key(cluster: dict[str, Any]) -> None:
    """So that the test above means something."""
    cluster["available_node_types"]["train_gpu"]["max_worker"] = 1
    with pytest.raises(Exception, match="max_worker"):
        validate(cluster)


def test_the_head_runs_trial_drivers_and_no_tasks(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0, "trial_driver": 8}


def test_only_stages_that_survive_a_lost_node_run_on_spot(cluster: dict[str, Any]) -> None:
    """A ZeRO checkpoint belongs to a world size, so training must not lose nodes to the spot market."""
    spot = {
        kind for kind, node in cluster["available_node_types"].items() if "InstanceMarketOptions" in node["node_config"]
    }
    assert spot == {"render_cpu", "synthesis_gpu"}


def test_nothing_runs_when_there_is_no_work(cluster: dict[str, Any]) -> None:
    assert all(node.get("min_workers", 0) == 0 for node in cluster["available_node_types"].values())


def test_whoever_starts_ray_in_token_mode_has_the_token(cluster: dict[str, Any]) -> None:
    """Else it ends with "couldn't find an authentication token", as the head did."""
    starts = [
        command
        for part in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[part]
        if "ray start" in command
    ]
    assert len(starts) == 2
    for command in starts:
        assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/auth_token ray start" in command
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_labels_are_those_that_something_asks_for(cluster: dict[str, Any]) -> None:
    assert not any("labels" in node for node in cluster["available_node_types"].values())


def test_disks_hold_a_cuda_environment_and_datasets(cluster: dict[str, Any]) -> None:
    for node in cluster["available_node_types"].values():
        (disk,) = node["node_config"]["BlockDeviceMappings"]
        assert disk["Ebs"]["VolumeSize"] >= 200
