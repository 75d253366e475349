"""Operations of the reward, forward and backward, as a share of a DrPose step at paper size.

    python benchmarks/reward_share.py --output docs/benchmarks/reward_share.md      # a minute; no weights, no GPU

The published architectures and the predictor of configs/paper.yaml on the meta device: 2 people, latents 96 x 96, T and
K as there. Counted by ``torch.utils.flop_counter``: convolutions, matrix products, attention; one multiply-add as two.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from page import hand_in
from torch.utils.flop_counter import FlopCounterMode

from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune.plan import TrainPlan
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.reward.config import DistanceConfig, RewardConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.predictor import SkeletonPredictor

GOAL = 0.05
MODELS = ("era3d", "pshuman")
MAP_SIZES = (96, 192)
TEXT_TOKENS = 77


class Paper(Config):
    """What is read of the preset."""

    distance: DistanceConfig = DistanceConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    reward: RewardConfig = RewardConfig()


def flops(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counted:
        work()
    return counted.get_total_flops()


def mean_calls(config: FinetuneConfig) -> tuple[float, float]:
    """Denoiser calls of a rollout and trained steps, over all literal draws: every stop with every start."""
    T, K, m = config.algorithm.num_sampling_steps, config.algorithm.num_train_steps, config.algorithm.max_early_stop
    spacing = T // K
    span = (K - 1) * spacing
    plans = [
        TrainPlan(T, tuple(range(start + span, start - 1, -spacing)), stop)
        for stop in range(1, m + 1)
        for start in range(1, T - span + 1)
    ]
    return (
        sum(len(plan.executed_steps) for plan in plans) / len(plans),
        sum(len(plan.active_steps) for plan in plans) / len(plans),
    )


def denoiser_flops(name: str, config: FinetuneConfig, side: int) -> tuple[int, int, int]:
    """Images of a call, a forward pass, and a forward and backward pass with blocks computed again."""
    unet_config = json.loads(Path(f"configs/architectures/{name}/unet/config.json").read_text())
    objects = config.optimizer.batch_size
    with torch.device("meta"):
        network = MultiViewUNet(**{**unet_config, "sample_size": side})
        views, labels = network.num_views, int(network.config.projection_class_embeddings_input_dim)
        latents = torch.empty(2, objects, views, 4, side, side)
        condition = Condition(
            torch.empty(2, objects, views, 4, side, side),
            torch.empty(2, objects, views, labels),
            torch.empty(2, views, TEXT_TOKENS, int(network.config.cross_attention_dim)),
        )
        timestep = torch.tensor(500)
    with torch.no_grad():
        forward = flops(lambda: network(latents, timestep, condition))
    if config.parallel.block_checkpointing:
        network.enable_gradient_checkpointing()
    trained = flops(lambda: network(latents, timestep, condition).float().square().mean().backward())
    return 2 * objects * views, forward, trained


def reward_flops(config: Paper, objects: int, map_size: int) -> tuple[int, int]:
    """Of the predictor and of LPIPS, forward and backward to the latents."""
    predictor_config = config.reward.predictor.model_copy(update={"map_size": map_size})
    side = predictor_config.latent_size
    found = []
    for weight in (0.0, config.distance.perceptual_weight):
        # Random features instead of the file's: the same network. LPIPS's layer weights add one channel per layer.
        distance = DistanceConfig(perceptual_weight=weight, backbone=config.distance.backbone)
        with torch.device("meta"):
            # PoseScore's own call, less its autocast guard, which knows no meta device.
            predictor = SkeletonPredictor(predictor_config).requires_grad_(False)
            measure = SkeletonDistance(distance).to("meta")  # lpips makes its constants on the CPU
            latents = torch.empty(2, objects, NUM_VIEWS, 4, side, side, requires_grad=True)
            maps = torch.empty(objects, NUM_VIEWS, NUM_JOINTS, map_size, map_size)
        found.append(flops(lambda: measure(predictor(latents), maps).sum().backward()))  # noqa: B023 - called here
    return found[0], found[1] - found[0]


def table() -> str:
    paper = load_config(Paper, ["--config", "configs/paper.yaml"])
    objects, side = paper.finetune.optimizer.batch_size, paper.reward.predictor.latent_size
    calls, active = mean_calls(paper.finetune)
    rewards = {size: reward_flops(paper, objects, size) for size in MAP_SIZES}
    lines = ["| reward at maps of | predictor, TFLOP | LPIPS, TFLOP | together |", "|---|---|---|---|"]
    lines += [
        f"| {size} x {size} | {a / 1e12:.3f} | {b / 1e12:.3f} | {(a + b) / 1e12:.3f} |"
        for size, (a, b) in rewards.items()
    ]
    lines += [
        "",
        "| model | images | call, TFLOP | trained call, TFLOP | step, TFLOP | share, maps 96 | share, maps 192 |",
        "|---|---|---|---|---|---|---|",
    ]
    worst = 0.0
    for name in MODELS:
        images, forward, trained = denoiser_flops(name, paper.finetune, side)
        step = calls * forward + active * (trained + forward)
        shares = [sum(reward) / (step + sum(reward)) for reward in rewards.values()]
        worst = max(worst, *shares)
        lines.append(
            f"| {name} | {images} | {forward / 1e12:.1f} | {trained / 1e12:.1f} | {step / 1e12:.0f} | "
            f"{' | '.join(f'**{share:.3%}**' for share in shares)} |"
        )
    lines.append(
        f"\nMean over all draws of Algorithm 1: {calls:g} calls in the rollout, {active:g} trained calls, as many of "
        f"the initial model. Largest share {worst:.3%} (goal: at most {GOAL:.0%})."
    )
    lines.append(
        f"\ntorch {version('torch')}, diffusers {version('diffusers')}, lpips {version('lpips')}, "
        f"Python {platform.python_version()}; meta device"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    hand_in(__doc__, table, "counted")
