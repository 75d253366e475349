"""What a post-training depends on, by content: a run folder is continued under that, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from drpose_ray.diffusion.weight_files import text_files
from drpose_ray.finetune.conditions.store import MARKER
from drpose_ray.finetune.config import FinetuneConfig
from drpose_ray.origin import FileHashes
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.origin import reward_origin
from drpose_ray.shards.manifest import manifest_sha256

_FILES: Final = {
    "base", "text_embeddings", "predictor", "rewards", "dataset", "conditions", "held_out", "shard_cache",
}  # fmt: skip
_HOW_OFTEN: Final = {"checkpoint_every", "max_worker_failures", "corrupted_shards", "shard_cache_gib"}
# Where and in which pieces the same function is computed: it changes the rounding at most.
_WHERE: Final = {
    "name", "gpus_per_rollout_actor", "gpus_per_reward_actor", "rollout_actors", "remote_reward", "reference",
    "block_checkpointing", "objects_per_replay", "compile_rollout",
}  # fmt: skip
_MODEL_PARTS: Final = ("unet", "vae", "image_encoder", "image_normalizer", "image_noising_scheduler", "scheduler")


def settings_origin(config: FinetuneConfig, seed: int, dataset: Path) -> dict[str, Any]:
    """The settings that have an effect, the pairs, and those held out."""
    idle = set() if config.trained == "lora" else {"lora_rank"}
    if config.held_out is None:
        idle |= {"held_out_every", "num_held_out"}
    settings = config.model_dump(mode="json", exclude=_FILES | _HOW_OFTEN | _WHERE | idle)
    held_out = manifest_sha256(config.held_out) if config.held_out else None
    return {**settings, "seed": seed, "dataset": manifest_sha256(dataset), "held_out": held_out}


def loaded_origin(config: FinetuneConfig, distance: DistanceConfig, hashes: FileHashes) -> dict[str, Any]:
    """The model, its prompt embeddings, stored conditions and the reward."""
    conditions = config.conditions
    return {
        "base": hashes.of_folders(config.base, _MODEL_PARTS, "finetune.base"),
        "text_embeddings": [
            hashes.of_file(file, "finetune.text_embeddings")
            for file in text_files(config.text_embeddings or config.base)
        ],
        "conditions": hashes.of_file(conditions / MARKER, "finetune.conditions") if conditions else None,
        **reward_origin(config.rewards, config.predictor, distance, hashes),
    }
