"""Which changes make a post-training another one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.finetune.origin import loaded_origin, settings_origin
from drpose_ray.origin import FileHashes
from drpose_ray.reward.config import DistanceConfig
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


def origin(folder: Path, distance: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    config = FinetuneConfig.model_validate(
        {"base": folder / "base", "predictor": folder / "predictor.safetensors", **settings}
    )
    measured = DistanceConfig.model_validate({"backbone_weights": folder / "backbone.pth", **(distance or {})})
    return {**settings_origin(config, 0, folder / "pairs"), **loaded_origin(config, measured, FileHashes())}


def test_the_same_files_under_another_path_are_the_same_run(place: Path) -> None:
    moved = shutil.copytree(place, place.parent / "unpacked")
    assert origin(moved) == origin(place)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("base/unet/weights.safetensors", "base"), ("base/text_embeddings.safetensors", "text_embeddings"),
        ("predictor.safetensors", "predictor"), ("backbone.pth", "reward.distance.backbone_weights"),
    ],
)  # fmt: skip
def test_other_bytes_under_the_same_path_are_another_run(place: Path, file: str, name: str) -> None:
    before = origin(place)
    (place / file).write_bytes(b"other")
    after = origin(place)
    assert {key for key in before if before[key] != after[key]} == {name}


def test_another_reward_or_dataset_is_another_run(place: Path) -> None:
    before = origin(place)
    assert origin(place, {"bce_weight": 2.0}) != before
    assert origin(place, {"perceptual_size": 32}) != before
    shutil.rmtree(place / "pairs")
    write_tiny_dataset(place / "pairs", shards=2)
    assert origin(place)["dataset"] != before["dataset"]


def test_what_has_no_effect_is_not_compared(place: Path) -> None:
    before = origin(place)
    elsewhere = {
        "checkpoint_every": 7, "max_worker_failures": 0, "reference": "offloaded", "objects_per_replay": 1,
        "block_checkpointing": True, "rollout_actors": 2, "remote_reward": True, "lora_rank": 3, "held_out_every": 9,
    }  # fmt: skip
    assert origin(place, **elsewhere) == before
    assert origin(place, kl_weight=0.5) != before
    # Without the perceptual term nobody reads its backbone.
    bce_only = [origin(place, {"perceptual_weight": 0, "backbone": name}) for name in ("vgg", "alex")]
    assert bce_only[0] == bce_only[1]


def test_an_edited_reward_of_ones_own_is_another_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(place)
    module = place / "reward_of_origin_test.py"
    terms = [{"name": "own", "function": "reward_of_origin_test:reward"}]
    module.write_text(USER_REWARD.format(factor=1))
    before = origin(place, rewards=terms)
    assert "predictor" not in before and not any("distance" in name for name in before), "PoseScore has no part in it"
    module.write_text(USER_REWARD.format(factor=100))
    after = origin(place, rewards=terms)
    assert {key for key in before if before[key] != after[key]} == {"rewards.own.source"}
