"""Floating-point operations of one MIMO run: this backend against the form in which MIMO runs its networks.

    python benchmarks/mimo_flops.py --output docs/benchmarks/mimo_flops.md      # a minute or two; no weights, no GPU

The published architectures on the meta device, 784 x 784 pixels, 10 frames, 25 steps, guidance on. Counted by
``torch.utils.flop_counter``: convolutions, matrix products and attention, one multiply-add as two.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch
from page import hand_in

from drpose_ray.synthesis.mimo.flops import count_mimo_flops, make_bank, step_flops
from drpose_ray.synthesis.mimo.networks.architecture import STABLE_DIFFUSION_15
from drpose_ray.synthesis.mimo.networks.literal_block import LiteralDenoisingUNet
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet

SIZE, FRAMES, STEPS = 784, 10, 25
GOAL = 0.8


def count() -> list[tuple[str, int, int, int, int, int]]:
    """Rows of (part, calls of the original, FLOPs of one of its calls, our calls, FLOPs of one, first run only)."""
    ours = count_mimo_flops(SIZE, FRAMES)
    with torch.device("meta"):
        original, reference = LiteralDenoisingUNet(STABLE_DIFFUSION_15), ReferenceUNet(STABLE_DIFFUSION_15)
    original_step = step_flops(original, make_bank(reference, SIZE), SIZE, FRAMES)
    return [
        ("image encoder, photo", 1, ours.image_encoder, 1, ours.image_encoder, 1),
        ("VAE encoder, photo", 1, ours.vae_encode, 1, ours.vae_encode, 1),
        ("VAE encoder, white background", FRAMES, ours.vae_encode, 1, ours.vae_encode, 1),
        ("reference U-Net", 2, ours.reference_unet, 1, ours.reference_unet, 1),
        ("keys and values of the photo, apart from steps", 0, 0, 1, ours.project, 1),
        ("pose guider", 1, ours.pose_guider, 1, ours.pose_guider, 0),
        ("denoiser, one guided step", STEPS, original_step, STEPS, ours.denoiser_step, 0),
        ("VAE decoder", FRAMES, ours.vae_decode, FRAMES, ours.vae_decode, 0),
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


if __name__ == "__main__":
    hand_in(__doc__, table, "counted")
