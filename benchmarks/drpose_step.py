"""One DrPose step against what else one would write: gradient error, peak memory over K and batch, time by phase.

    python benchmarks/drpose_step.py --write docs/benchmarks/drpose_step.md      # tiny model, a few minutes on a CPU
    python benchmarks/drpose_step.py --device cuda --full --write docs/benchmarks/drpose_step_gpu.md

Baselines (docs/facts/reward_finetuning.md, 6); all share rollout, reward, weights and drawn plan:
B1 graph, whole-call and block checkpointing (the paper's description, done well); B2 graph, block checkpointing;
B3 plain graph (the numerical reference); B4 AlignProp: the input is not detached; B5 ReFL: K = 1, at the stop.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from measure import peak_bytes, seconds
from torch.utils.checkpoint import checkpoint

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.ddim import DdimSampler, Denoiser, draw_noise
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune import graph, replay
from drpose_ray.finetune.gradient_report import GradientReport
from drpose_ray.finetune.plan import TrainPlan
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor

NUM_STEPS, STOP_STEP = 20, 1
NUM_TRAIN_STEPS = (1, 2, 5, 10, 20)
BATCHES = (1, 2, 4)
SCHEDULE = {
    "beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction",
    "timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False,
}  # fmt: skip
# The architecture without Era3D's camera regressors: six views, as the paper counts them.
FULL: dict[str, Any] = {
    **json.loads(Path("configs/architectures/era3d/unet/config.json").read_text()),
    "regress_elevation": False, "regress_focal_length": False, "sample_size": 96,
}  # fmt: skip
TINY: dict[str, Any] = {
    **FULL, "sample_size": 16, "block_out_channels": [32, 48, 64, 64], "attention_head_dim": [2, 3, 4, 4],
    "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 40, "projection_class_embeddings_input_dim": 36,
}  # fmt: skip


@dataclass
class Bench:
    """One iteration's inputs; a method leaves its gradient in ``network``."""

    network: MultiViewUNet
    initial: MultiViewUNet
    noise: torch.Tensor
    condition: Condition
    score: PoseScore
    targets: torch.Tensor
    sampler: DdimSampler

    def reward(self, latents_x0: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.score(latents_x0, self.targets)
        return scores

    def flat_gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.network.parameters() if p.grad is not None]).clone()

    def plan(self, num_train_steps: int) -> TrainPlan:
        spacing = NUM_STEPS // num_train_steps
        last = STOP_STEP + spacing * (num_train_steps - 1)
        return TrainPlan(NUM_STEPS, tuple(range(last, 0, -spacing)), STOP_STEP)


@dataclass(frozen=True)
class Method:
    """How the gradient of one iteration is taken."""

    name: str
    gradient: Callable[..., GradientReport]
    block_checkpoint: bool = False
    call_checkpoint: bool = False
    same_gradient: bool = True  # as B3's

    def run(self, bench: Bench, num_train_steps: int) -> GradientReport:
        bench.network.zero_grad(set_to_none=False)
        bench.network.train(self.block_checkpoint)
        (
            bench.network.enable_gradient_checkpointing
            if self.block_checkpoint
            else bench.network.disable_gradient_checkpointing
        )()
        denoiser: Denoiser = _checkpointed(bench.network) if self.call_checkpoint else bench.network
        plan = bench.plan(num_train_steps)
        return self.gradient(
            denoiser, bench.initial, bench.noise, None, bench.condition, bench.sampler, plan, bench.reward, 0.1
        )


def _checkpointed(network: MultiViewUNet) -> Denoiser:
    def denoiser(latents: torch.Tensor, timestep: int, condition: Any) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return network(latents, timestep, condition)
        output: torch.Tensor = checkpoint(network, latents, timestep, condition, use_reentrant=False)
        return output

    return denoiser


def alignprop_gradient(
    denoiser: Denoiser, frozen: Denoiser, noise: torch.Tensor, _variance: None, condition: Any, sampler: DdimSampler,
    plan: TrainPlan, reward_fn: Callable[[torch.Tensor], torch.Tensor], kl_weight: float,
) -> GradientReport:  # fmt: skip
    """B4: as ``finetune.graph.gradient``, but x is not detached from the first trained step on."""
    x, divergences, begun = noise, [], False
    for t in plan.executed_steps:
        timestep, trained = sampler[t].timestep, t in plan.train_steps
        begun = begun or trained
        with torch.set_grad_enabled(begun):
            output = denoiser(x, timestep, condition)
            if trained and kl_weight:
                with torch.no_grad():
                    initial = frozen(x, timestep, condition)
                divergences.append((output - initial).square().mean())
            x = sampler[t].project(x, output) if t == plan.stop_step else sampler[t].advance(x, output, None)
    reward = reward_fn(x)
    kl = torch.stack(divergences).mean()
    loss = (1 - reward).mean() + kl_weight * kl
    loss.backward()
    return GradientReport(
        reward.detach(), kl.item(), loss.item(), x.detach(), plan.active_steps, len(plan.executed_steps)
    )


def refl_gradient(*args: Any) -> GradientReport:
    """B5: only the stop step is trained, whatever K."""
    plan: TrainPlan = args[6]
    return graph.gradient(*args[:6], replace(plan, train_steps=(plan.stop_step,)), *args[7:])


def per_sample(*args: Any) -> GradientReport:
    """Replay, one object at a time."""
    return replay.gradient(*args, objects_per_call=1)


METHODS = (
    Method("B1 graph + call ckpt + block ckpt", graph.gradient, block_checkpoint=True, call_checkpoint=True),
    Method("B2 graph + block ckpt", graph.gradient, block_checkpoint=True),
    Method("B3 plain graph", graph.gradient),
    Method("B4 AlignProp + call ckpt", alignprop_gradient, call_checkpoint=True, same_gradient=False),
    Method("B5 ReFL, K = 1", refl_gradient, same_gradient=False),
    Method("replay", replay.gradient),
    Method("replay + block ckpt", replay.gradient, block_checkpoint=True),
    Method("replay + block ckpt, per sample", per_sample, block_checkpoint=True),
)


def build(config: dict[str, Any], batch: int, device: torch.device, dtype: torch.dtype) -> Bench:
    """Random weights, moved a little from the initial ones so that the KL has a gradient."""
    torch.manual_seed(0)
    with device:
        initial = MultiViewUNet(**config).to(dtype).requires_grad_(False)
        network = copy.deepcopy(initial).requires_grad_(True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
            parameter.grad = torch.zeros_like(parameter)
    side, people = config["sample_size"], [f"person-{i}" for i in range(batch)]
    noise = draw_noise(0, people, (2, 6, 4, side, side), NUM_STEPS + 1).to(device)
    condition = Condition.from_inputs(
        torch.randn(batch, 1, 4, side, side, device=device),
        torch.randn(batch, 1, config["projection_class_embeddings_input_dim"], device=device),
        torch.randn(2, 6, 77, config["cross_attention_dim"], device=device),
    )
    predictor = SkeletonPredictor(PredictorConfig(latent_size=side, map_size=side, channels=(16, 24)))
    score = PoseScore(predictor, SkeletonDistance(DistanceConfig(perceptual_weight=0))).to(device)
    targets = torch.rand(batch, 6, 23, side, side, device=device)
    sampler = DdimSampler(NoiseSchedule.from_config(SCHEDULE), NUM_STEPS)
    return Bench(network, initial, noise, condition, score, targets, sampler)


def report(args: argparse.Namespace) -> Iterator[str]:
    """The lines of the report, as they are measured."""
    device = torch.device(args.device)
    config, dtype = (FULL, torch.bfloat16) if args.full else (TINY, torch.float32)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    bench = build(config, 2, device, dtype)
    count = sum(p.numel() for p in bench.network.parameters())
    yield "# One DrPose step against the alternatives\n"
    flags = f"{'--full ' if args.full else ''}--device {args.device}"
    yield f"`python benchmarks/drpose_step.py {flags}`; random weights.\n"
    yield f"{name}; torch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}  "
    shape = tuple(bench.noise.shape)
    yield f"{count / 1e6:.2f} M parameters, latents {shape}, {dtype}, T = {NUM_STEPS}, stop {STOP_STEP}, KL on\n"
    METHODS[-1].run(bench, 1)  # kernels are chosen and memory is mapped from here on
    ks = tuple(args.k) if args.k else NUM_TRAIN_STEPS
    clock = "wall" if device.type == "cuda" else "CPU"
    yield "## Over K, two objects\n"
    yield f"| K | method | gradient error to B3 | peak MiB | of B1's | {clock} s | of B1's | denoiser calls |"
    yield "|---|---|---|---|---|---|---|---|"
    peaks: dict[tuple[int, str], int] = {}
    for k in ks:
        reference: torch.Tensor | None = None
        rows = {}
        for method in sorted(METHODS, key=lambda m: not m.name.startswith("B3")):
            if args.full and method.name.startswith("B3"):
                continue  # does not fit
            made: list[GradientReport] = []
            spent = seconds(lambda m=method, k=k, made=made: made.append(m.run(bench, k)), device)  # type: ignore[misc]
            flat = bench.flat_gradient()
            reference = flat if reference is None else reference
            error = f"{float((flat - reference).norm() / reference.norm()):.1e}" if method.same_gradient else "–"
            peaks[k, method.name] = peak_bytes(functools.partial(method.run, bench, k), device)
            rows[method.name] = (error, peaks[k, method.name], spent, made[0].num_denoiser_calls)
        _, b1_peak, b1_spent, _ = rows[METHODS[0].name]
        for method in METHODS:
            if method.name in rows:
                error, peak, spent, calls = rows[method.name]
                yield (
                    f"| {k} | {method.name} | {error} | {peak / 2**20:.1f} | {peak / b1_peak:.2f} | {spent:.2f} | "
                    f"{spent / b1_spent:.2f} | {calls} |"
                )
    low, high = ks[0], ks[-1]
    for method in (
        "replay",
        "replay + block ckpt",
        "replay + block ckpt, per sample",
        "B1 graph + call ckpt + block ckpt",
    ):
        yield f"\n{method}: peak at K = {high} is {peaks[high, method] / peaks[low, method]:.3f} of that at K = {low}"
    yield "\n## Over the batch, K = 2\n"
    yield "| objects | method | peak MiB |"
    yield "|---|---|---|"
    for batch in BATCHES:
        bench = build(config, batch, device, dtype)
        for method in METHODS:
            if method.name.startswith(("B1", "replay")):
                method.run(bench, 2)
                peak = peak_bytes(functools.partial(method.run, bench, 2), device)
                yield f"| {batch} | {method.name} | {peak / 2**20:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--full", action="store_true", help="the 0.9-billion-parameter model at 96 x 96 in bfloat16")
    parser.add_argument("--k", type=int, nargs="*", help="only these numbers of train steps")
    parser.add_argument("--write", type=Path, help="also write the report there")
    args = parser.parse_args()
    lines = []
    for line in report(args):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        args.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
