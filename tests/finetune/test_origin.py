"""Which changes make a post-training another one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.finetune.distributed.origin import loaded_origin, settings_origin
from drpose_ray.reward.config import DistanceConfig
from tests.finetune.settings import finetune_config
from tests.finetune.tiny_run import write_tiny_dataset

USER_REWARD = "def reward(latents_x0, poses):\n    return {factor} * latents_x0.mean((0, 2, 3, 4, 5))\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A model folder, a predictor and a dataset; only their bytes matter here."""
    folder = tmp_path / "first"
    for part in ("unet", "vae"):
        (folder / "base" / part).mkdir(parents=True)
        (folder / "base" / part / "weights.safetensors").write_bytes(part.encode())
    (folder / "base" / "text_embeddings.safetensors").write_bytes(b"text")
    (folder / "predictor.safetensors").write_bytes(b"predictor")
    (folder / "backbone.pth").write_bytes(b"backbone")
    write_tiny_dataset(folder / "pairs", shards=1)
    return folder


def origin(
    folder: Path, settings: dict[str, Any] | None = None, distance: dict[str, Any] | None = None
) -> dict[str, Any]:
    config = finetune_config(
        {"model.base": folder / "base", "reward.predictor": folder / "predictor.safetensors", **(settings or {})}
    )
    measured = DistanceConfig.model_validate({"backbone_weights": folder / "backbone.pth", **(distance or {})})
    return {**settings_origin(config, 0, folder / "pairs"), **loaded_origin(config, measured, FileHashes())}


def test_the_same_files_under_another_path_are_the_same_run(place: Path) -> None:
    moved = shutil.copytree(place, place.parent / "unpacked")
    assert origin(moved) == origin(place)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("base/unet/weights.safetensors", "finetune.model.base"),
        ("base/text_embeddings.safetensors", "finetune.model.text_embeddings"),
        ("predictor.safetensors", "finetune.reward.predictor"), ("backbone.pth", "distance.backbone_weights"),
    ],
)  # fmt: skip
def test_other_bytes_under_the_same_path_are_another_run(place: Path, file: str, name: str) -> None:
    before = origin(place)
    (place / file).write_bytes(b"other")
    after = origin(place)
    assert {key for key in before if before[key] != after[key]} == {name}


def test_another_reward_or_dataset_is_another_run(place: Path) -> None:
    before = origin(place)
    assert origin(place, distance={"bce_weight": 2.0}) != before
    assert origin(place, distance={"perceptual_size": 32}) != before
    shutil.rmtree(place / "pairs")
    write_tiny_dataset(place / "pairs", shards=2)
    assert origin(place)["finetune.data.dataset"] != before["finetune.data.dataset"]


def test_what_has_no_effect_is_not_compared(place: Path) -> None:
    before = origin(place)
    elsewhere = {
        "checkpoint.every": 7, "checkpoint.max_worker_failures": 0, "parallel.reference": "offloaded",
        "parallel.objects_per_replay": 1, "parallel.block_checkpointing": True, "rollout.actors.num": 2,
        "reward.actor_gpus": 0, "data.corrupted": "skip", "data.cache.gib": 1,
    }  # fmt: skip
    assert origin(place, elsewhere) == before
    assert origin(place, {"algorithm.kl_weight": 0.5}) != before
    assert origin(place, {"rollout.actors.num": 1, "rollout.actors.staleness": 1}) != before
    # Without the perceptual term nobody reads its backbone.
    bce_only = [origin(place, distance={"perceptual_weight": 0, "backbone": name}) for name in ("vgg", "alex")]
    assert bce_only[0] == bce_only[1]


def test_an_edited_reward_of_ones_own_is_another_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(place)
    module = place / "reward_of_origin_test.py"
    terms = [{"name": "own", "function": "reward_of_origin_test:reward"}]
    module.write_text(USER_REWARD.format(factor=1))
    before = origin(place, {"reward.terms": terms})
    assert "finetune.reward.predictor" not in before and not any("distance" in name for name in before), (
        "PoseScore has no part in it"
    )
    module.write_text(USER_REWARD.format(factor=100))
    after = origin(place, {"reward.terms": terms})
    assert {key for key in before if before[key] != after[key]} == {"finetune.reward.terms.own.source"}
