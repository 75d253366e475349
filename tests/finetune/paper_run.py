"""``configs/paper.yaml`` on a generated checkpoint: the command line of jobs/finetune.py, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from drpose_ray.reward.config import PredictorConfig
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.diffusion.published_checkpoint import write_published
from tests.finetune.tiny_run import write_tiny_dataset


def write_paper_run(folder: Path, unet_config: dict[str, Any], tracking_uri: str) -> list[str]:
    """Write base, predictor and pairs into ``folder``; return the arguments of two short iterations in float32."""
    base = write_published(folder / "base", unet_config)
    pairs = write_tiny_dataset(folder / "pairs")
    side = unet_config["sample_size"]
    torch.manual_seed(0)
    predictor = SkeletonPredictor(PredictorConfig(latent_size=side, map_size=side, channels=(8, 8)))
    predictor.save(folder / "predictor.safetensors")
    return [
        "--config", "configs/paper.yaml", "--run.folder", str(folder / "run"), "--run.tracking_uri", tracking_uri,
        "--finetune.model.base", str(base),
        "--finetune.model.text_embeddings", "null", "--finetune.model.precision", "float32",
        "--finetune.reward.predictor", str(folder / "predictor.safetensors"), "--finetune.data.dataset", str(pairs),
        "--distance.perceptual_weight", "0", "--distance.backbone_weights", "null",
        "--finetune.algorithm.num_sampling_steps", "3", "--finetune.algorithm.max_early_stop", "1",
        "--finetune.algorithm.plan", "in_prefix", "--finetune.optimizer.num_iterations", "2",
    ]  # fmt: skip
