"""Floating-point operations of one MIMO run: this backend against the form in which MIMO runs its networks.

    python benchmarks/mimo_flops.py --output docs/benchmarks/mimo_flops.md      # a minute or two; no weights, no GPU

The published architectures on the meta device, 784 x 784 pixels, 10 frames, 25 steps, guidance on. Counted by
``torch.utils.flop_counter``: convolutions, matrix products and attention, one multiply-add as two.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.mimo.architecture import STABLE_DIFFUSION_15
from drpose_ray.mimo.denoiser import DenoisingUNet
from drpose_ray.mimo.literal_block import LiteralDenoisingUNet
from drpose_ray.mimo.pose_guider import PoseGuider
from drpose_ray.mimo.reference import ReferenceUNet
from drpose_ray.mimo.spatial_block import Reading
from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402 - needs the operators declared

SIZE, FRAMES, STEPS = 784, 10, 25
GOAL = 0.8
VAE: Final[dict[str, Any]] = {
    "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2, "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
CLIP: Final[dict[str, Any]] = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14, "projection_dim": 768, "hidden_act": "quick_gelu",
}  # fmt: skip


def flops(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops()


def step_flops(denoiser: DenoisingUNet, bank: dict[str, torch.Tensor], sequences: int = 1) -> int:
    """One guided step."""
    side = SIZE // 8
    rows = (2 * sequences, FRAMES)
    reading = Reading(denoiser.project(bank), torch.zeros(sequences, dtype=torch.long, device="meta"), FRAMES)
    latents, background = torch.empty(*rows, 4, side, side), torch.empty(4, side, side)
    context, pose = torch.empty(2 * sequences, 1, 768), torch.empty(*rows, 320, side, side)
    return flops(lambda: denoiser(latents, 999, background=background, context=context, pose=pose, reading=reading))


def count() -> list[tuple[str, int, int, int, int, int]]:
    """Rows of (part, calls of the original, FLOPs of one of its calls, our calls, FLOPs of one, first run only)."""
    side = SIZE // 8
    ours, original = DenoisingUNet(STABLE_DIFFUSION_15), LiteralDenoisingUNet(STABLE_DIFFUSION_15)
    reference, guider, vae = ReferenceUNet(STABLE_DIFFUSION_15), PoseGuider(), ImageVAE(VAE, 1)
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))
    bank = reference(torch.empty(1, 4, side, side), torch.empty(1, 1, 768))
    encode = flops(lambda: vae.encode(torch.empty(1, 3, SIZE, SIZE)))
    decode = flops(lambda: vae.decode(torch.empty(1, 4, side, side)))
    embed = flops(lambda: clip(torch.empty(1, 3, 224, 224)))
    write = flops(lambda: reference(torch.empty(1, 4, side, side), torch.empty(1, 1, 768)))
    pose = flops(lambda: guider(torch.empty(FRAMES, 3, SIZE, SIZE)))
    project = flops(lambda: ours.project(bank))
    return [
        ("image encoder, photo", 1, embed, 1, embed, 1),
        ("VAE encoder, photo", 1, encode, 1, encode, 1),
        ("VAE encoder, white background", FRAMES, encode, 1, encode, 1),
        ("reference U-Net", 2, write, 1, write, 1),
        ("keys and values of the photo, apart from steps", 0, 0, 1, project, 1),
        ("pose guider", 1, pose, 1, pose, 0),
        ("denoiser, one guided step", STEPS, step_flops(original, bank), STEPS, step_flops(ours, bank), 0),
        ("VAE decoder", FRAMES, decode, FRAMES, decode, 0),
    ]


def table() -> str:
    rows = count()
    baseline = sum(calls * each for _, calls, each, _, _, _ in rows)
    first = sum(calls * each for _, _, _, calls, each, _ in rows)
    further = sum(calls * each for _, _, _, calls, each, once in rows if not once)
    lines = ["| part | original: calls × TFLOP | ours: calls × TFLOP |", "|---|---|---|"]
    lines += [f"| {part} | {n} × {a / 1e12:.3f} | {m} × {b / 1e12:.3f} |" for part, n, a, m, b, _ in rows]
    lines += [
        f"| **first sequence of a photo** | **{baseline / 1e12:.1f}** | **{first / 1e12:.1f}** |",
        f"| further sequences of a photo | {baseline / 1e12:.1f} | {further / 1e12:.1f} |",
        "",
        f"Ratio to the original form, first sequence of a photo: **{first / baseline:.3f}** (goal: at most {GOAL}).",
        f"Further sequences: {further / baseline:.3f}.",
        "",
        ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers"))
        + f", Python {platform.python_version()}; meta device",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="page whose part below the mark is replaced by the table")
    args = parser.parse_args()
    with torch.device("meta"):
        text = table()
    print(text)
    if args.output:
        mark = "<!-- counted -->"
        page = args.output.read_text().split(mark)[0] if args.output.exists() else ""
        args.output.write_text(f"{page}{mark}\n\n{text}\n")


if __name__ == "__main__":
    main()
