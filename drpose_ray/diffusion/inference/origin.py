"""What views depend on, by content: a folder of views is continued under that, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from drpose_ray.core.files.weight_files import text_files
from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.diffusion.inference.config import GenerateConfig

ORIGIN_FILE: Final = "origin.json"
"""Beside the folders of views."""

_FILES: Final = {"model", "text_embeddings", "photos", "output"}
# Where and in which pieces the same function is computed: it changes the rounding at most.
_WHERE: Final = {
    "batched_guidance", "photos_per_call", "photos_per_task", "workers", "cpus_per_worker", "gpus_per_worker",
}  # fmt: skip
_PARTS: Final = ("unet", "vae", "image_encoder", "image_normalizer", "image_noising_scheduler", "scheduler")


def views_origin(config: GenerateConfig, seed: int, hashes: FileHashes) -> dict[str, Any]:
    """The sampler's settings, the seed, the model and its prompt embeddings; a photo counts for its own views only."""
    text: Path = config.text_embeddings or config.model
    return {
        **config.model_dump(mode="json", exclude=_FILES | _WHERE),
        "seed": seed,
        "model": hashes.of_folders(config.model, _PARTS, "generate.model"),
        "text_embeddings": [hashes.of_file(file, "generate.text_embeddings") for file in text_files(text)],
    }
