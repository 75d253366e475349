"""Replay against one graph, with and without whole-call checkpointing: gradient error, peak live memory, time over K.

    python benchmarks/replay_gradient.py                            # a few minutes on one core
    python benchmarks/replay_gradient.py --device cuda --batch 8

All three take the same plan, noise and weights; only the tensors alive at once differ. Memory is what is alive above
the state before the iteration (weights and gradient buffers excluded): on a CPU the storages that operators created,
on CUDA ``max_memory_allocated``.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from measure import peak_bytes, seconds
from torch import nn
from torch.utils.checkpoint import checkpoint

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, draw_noise
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune import graph, replay
from drpose_ray.finetune.plan import TrainPlan

NUM_STEPS = 20
NUM_TRAIN_STEPS = (1, 2, 5, 10, 20)
GOAL = 1.15  # replay's peak at K = 20 over that at K = 1


@dataclass
class Bench:
    """One iteration's inputs; ``run`` leaves the gradient in ``network``."""

    network: nn.Module
    initial: nn.Module
    noise: torch.Tensor
    condition: Condition
    target: torch.Tensor
    sampler: DdimSampler

    def reward(self, latents_x0: torch.Tensor) -> torch.Tensor:
        return -(latents_x0 - self.target).square().mean((0, 2, 3, 4, 5))

    def run(self, gradient: Callable[..., Any], denoiser: Denoiser, num_train_steps: int) -> None:
        self.network.zero_grad(set_to_none=False)
        spacing = NUM_STEPS // num_train_steps
        plan = TrainPlan(NUM_STEPS, tuple(range(NUM_STEPS, 0, -spacing)), stop_step=1)
        gradient(
            denoiser, self.initial, self.noise, None, self.condition, self.sampler, plan, self.reward, kl_weight=0.1
        )

    def flat_gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.network.parameters() if p.grad is not None]).clone()


def checkpoint_whole_calls(network: nn.Module) -> Denoiser:
    """The baseline that keeps only each call's input and runs the call again in backward."""

    def denoiser(latents: torch.Tensor, timestep: int, condition: Any) -> torch.Tensor:
        output: torch.Tensor = checkpoint(network, latents, timestep, condition, use_reentrant=False)
        return output

    return denoiser


def build(batch: int, size: int, device: torch.device) -> Bench:
    """The small U-Net with random weights, moved a little from its initial ones so that the KL has a gradient."""
    torch.manual_seed(0)
    architecture = small_architecture()
    unet, tokens = architecture["unet"], architecture["text"]["num_tokens"]
    views = unet["num_views"]
    initial = MultiViewUNet(**unet).to(device).requires_grad_(False)
    network = copy.deepcopy(initial).requires_grad_(True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    people = [f"person-{i}" for i in range(batch)]
    noise, target = (draw_noise(0, people, (2, views, 4, size, size), step).to(device) for step in (NUM_STEPS + 1, 0))
    condition = Condition.from_inputs(
        torch.randn(batch, 1, 4, size, size, device=device),
        torch.randn(batch, 1, unet["projection_class_embeddings_input_dim"], device=device),
        torch.randn(2, views, tokens, unet["cross_attention_dim"], device=device),
    )
    sampler = DdimSampler(NoiseSchedule.from_config(architecture["scheduler"]), NUM_STEPS)
    return Bench(network, initial, noise, condition, target, sampler)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=1, help="objects; each is 2 domains x 6 views")
    parser.add_argument("--size", type=int, default=16, help="latent pixels per side, a multiple of 4")
    parser.add_argument("--repeats", type=int, default=1, help="timed runs")
    args = parser.parse_args()
    device = torch.device(args.device)
    bench = build(args.batch, args.size, device)
    methods: dict[str, tuple[Callable[..., Any], Denoiser]] = {
        "graph": (graph.gradient, bench.network),
        "graph + checkpoint": (graph.gradient, checkpoint_whole_calls(bench.network)),
        "replay": (replay.gradient, bench.network),
    }
    bench.run(*methods["replay"], 1)  # gradient buffers and caches exist from here on

    count = sum(p.numel() for p in bench.network.parameters())
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{name}; torch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    print(f"{count / 1e6:.2f} M parameters, latents {tuple(bench.noise.shape)} float32, T = {NUM_STEPS}, KL on")
    print(f"\n| K | method | gradient error | peak MiB | {'wall' if device.type == 'cuda' else 'CPU'} s |")
    print("|---|---|---|---|---|")
    replay_peaks = {}
    for num_train_steps in NUM_TRAIN_STEPS:
        for method, (gradient, denoiser) in methods.items():

            def work(
                gradient: Callable[..., Any] = gradient, denoiser: Denoiser = denoiser, k: int = num_train_steps
            ) -> None:
                bench.run(gradient, denoiser, k)

            spent = min(seconds(work, device) for _ in range(args.repeats))
            actual = bench.flat_gradient()
            if method == "graph":
                reference = actual
            error = float((actual - reference).norm() / reference.norm())
            peak = peak_bytes(work, device)
            if method == "replay":
                replay_peaks[num_train_steps] = peak
            print(f"| {num_train_steps} | {method} | {error:.1e} | {peak / 2**20:.1f} | {spent:.2f} |", flush=True)
    ratio = replay_peaks[20] / replay_peaks[1]
    print(f"\nreplay: peak at K = 20 is {ratio:.3f} of that at K = 1 (goal: at most {GOAL})")


if __name__ == "__main__":
    main()
