"""What a post-training depends on, by content: a run folder is continued under that, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from drpose_ray.core.files.weight_files import text_files
from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.core.settings.dotted import flatten, is_within
from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.finetune.conditions.store import MARKER
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.origin import reward_origin

_BY_CONTENT: Final = (
    "model.base", "model.text_embeddings", "reward.predictor", "reward.terms", "data.dataset", "data.conditions",
    "held_out.dataset",
)  # fmt: skip
_HOW_OFTEN: Final = ("checkpoint", "data.corrupted", "data.cache")
# Where and in which pieces the same function is computed: it changes the rounding at most.
_WHERE: Final = (
    "name", "rollout", "reward.actor_gpus", "parallel.reference", "parallel.block_checkpointing",
    "parallel.objects_per_replay",
)  # fmt: skip
_MODEL_PARTS: Final = ("unet", "vae", "image_encoder", "image_normalizer", "image_noising_scheduler", "scheduler")


def settings_origin(config: FinetuneConfig, seed: int, dataset: Path) -> dict[str, Any]:
    """The settings that have an effect, the pairs, and those held out."""
    origin = {
        f"finetune.{name}": value
        for name, value in flatten(config.model_dump(mode="json")).items()
        if not is_within(name, (*_BY_CONTENT, *_HOW_OFTEN, *_WHERE))
    }
    if config.held_out:
        origin["finetune.held_out.dataset"] = manifest_sha256(config.held_out.dataset)
    return {
        **origin,
        "finetune.rollout.staleness": config.rollout.staleness,
        "finetune.data.dataset": manifest_sha256(dataset),
        "run.seed": seed,
    }


def loaded_origin(config: FinetuneConfig, distance: DistanceConfig, hashes: FileHashes) -> dict[str, Any]:
    """The model, its prompt embeddings, stored conditions and the reward."""
    model, conditions = config.model, config.data.conditions
    return {
        "finetune.model.base": hashes.of_folders(model.base, _MODEL_PARTS, "finetune.model.base"),
        "finetune.model.text_embeddings": [
            hashes.of_file(file, "finetune.model.text_embeddings")
            for file in text_files(model.text_embeddings or model.base)
        ],
        "finetune.data.conditions": (
            hashes.of_file(conditions / MARKER, "finetune.data.conditions") if conditions else None
        ),
        **reward_origin(config.reward.terms, config.reward.predictor, distance, hashes),
    }
