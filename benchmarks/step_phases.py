"""Where the time of one DrPose step goes, and what a compiled rollout would give of B1's step.

    python benchmarks/step_phases.py --write docs/benchmarks/step_phases.md

Each phase is timed alone, ``--repeats`` times, the fastest counts: the rollout as B1 makes it (no_grad), in inference
mode, and compiled by ``torch.compile``; reward and its gradient; the frozen model's calls; the replayed calls with
their backward passes; AdamW. The compiled network is checked against the plain one first.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from drpose_step import FULL, METHODS, NUM_STEPS, STOP_STEP, TINY, Bench, build
from measure import seconds

from drpose_ray.diffusion.ddim import Denoiser
from drpose_ray.finetune.rollout import rollout

NUM_TRAIN_STEPS = 2


def phases(bench: Bench, compiled: Denoiser) -> dict[str, Callable[[], object]]:
    """The parts of a step with K = 2, each as something to run."""
    plan = bench.plan(NUM_TRAIN_STEPS)
    rolled = rollout(bench.network, bench.noise, bench.condition, bench.sampler, plan, None)
    latents = {step: rolled.latents[step].clone() for step in plan.active_steps}
    x0 = rolled.x0[plan.stop_step].clone()
    optimiser = torch.optim.AdamW(bench.network.parameters(), lr=0.0)

    def make_rollout(denoiser: Denoiser, inference_mode: bool) -> Callable[[], object]:
        return lambda: rollout(
            denoiser, bench.noise, bench.condition, bench.sampler, plan, None, inference_mode=inference_mode
        )

    def reward() -> None:
        leaf = x0.detach().requires_grad_()
        torch.autograd.grad((1 - bench.reward(leaf)).mean(), leaf)

    def frozen() -> None:
        with torch.no_grad():
            for step, x in latents.items():
                bench.initial(x, bench.sampler[step].timestep, bench.condition)

    def replay() -> None:
        for step, x in latents.items():
            bench.network(x, bench.sampler[step].timestep, bench.condition).square().mean().backward()

    return {
        "rollout, no_grad (B1's)": make_rollout(bench.network, inference_mode=False),
        "rollout, inference mode (ours)": make_rollout(bench.network, inference_mode=True),
        "rollout, compiled": make_rollout(compiled, inference_mode=True),
        "reward and its gradient": reward,
        "frozen model (KL)": frozen,
        "replay, forward and backward, block ckpt": replay,
        "optimiser (AdamW)": optimiser.step,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--full", action="store_true", help="the 0.9-billion-parameter model at 96 x 96 in bfloat16")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="also write the report there")
    args = parser.parse_args()
    device = torch.device(args.device)
    config, dtype = (FULL, torch.bfloat16) if args.full else (TINY, torch.float32)
    bench = build(config, 2, device, dtype)
    bench.network.train()
    bench.network.enable_gradient_checkpointing()

    start = time.perf_counter()
    compiled = torch.compile(bench.network)
    with torch.inference_mode():
        plain = bench.network(bench.noise, 500, bench.condition)
        difference = (compiled(bench.noise, 500, bench.condition) - plain).abs().max() / plain.abs().max()
        compiled(bench.noise, 400, bench.condition)  # the second timestep makes it a variable of the compiled code
    compiling = time.perf_counter() - start

    b1, ours = METHODS[0], next(m for m in METHODS if m.name == "replay + block ckpt")
    parts = phases(bench, compiled)
    spent = {name: min(seconds(work, device) for _ in range(args.repeats)) for name, work in parts.items()}
    bench.network.zero_grad(set_to_none=False)
    whole = {m.name: min(seconds(lambda m=m: m.run(bench, NUM_TRAIN_STEPS), device) for _ in range(args.repeats))
             for m in (b1, ours)}  # type: ignore[misc]  # fmt: skip
    step = whole[ours.name]
    saved = spent["rollout, inference mode (ours)"] - spent["rollout, compiled"]
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    clock = "wall" if device.type == "cuda" else "CPU"
    flags = f"{'--full ' if args.full else ''}--device {args.device}"
    lines = [
        "# Where a DrPose step's time goes\n",
        f"`python benchmarks/step_phases.py {flags}`; random weights.\n",
        f"{name}; torch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}  ",
        f"latents {tuple(bench.noise.shape)}, {dtype}, T = {NUM_STEPS}, stop {STOP_STEP}, K = {NUM_TRAIN_STEPS}\n",
        f"| phase | {clock} s | of B1's step |",
        "|---|---|---|",
        *(f"| {part} | {value:.3f} | {value / whole[b1.name]:.3f} |" for part, value in spent.items()),
        f"| **{b1.name}, whole** (without optimiser) | {whole[b1.name]:.3f} | 1.000 |",
        f"| **{ours.name}, whole** (without optimiser) | {step:.3f} | {step / whole[b1.name]:.3f} |",
        "",
        "With the compiled rollout in place of ours a step would take",
        f"{(step - saved) / whole[b1.name]:.2f} of B1's (goal: at most 0.75).",
        f"Compiling took {compiling:.0f} s wall; the outputs differ by {float(difference):.1e} of the largest.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.write:
        args.write.write_text(text)


if __name__ == "__main__":
    main()
