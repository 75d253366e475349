"""Every path that runs on CUDA, once, at its smallest: which of them work on this machine's GPU.

    python benchmarks/gpu_check.py --write docs/benchmarks/gpu_check.md       # one GPU, at most 10 minutes
    python benchmarks/gpu_check.py --device cpu --steps pipeline              # that the script itself works

Each step is a job as a user would start it, with ``run.device``. One that fails is reported and ends no other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

WEIGHTS = Path("weights/small")
_SECONDS = 560
_LAST_LINES = 3


@dataclass(frozen=True)
class Step:
    """One job and what of it is of interest here."""

    name: str
    what: str
    job: str
    flags: dict[str, object]


def list_steps(root: Path, device: str) -> list[Step]:
    """The chain first: the others train on its shards."""
    run = root / "run"
    base = {"run.folder": run, "run.device": device}
    judged = {"evaluate.estimator": WEIGHTS / "estimator.safetensors", "evaluate.num_sampling_steps": 2}
    shards = {"reward.multiview_shards": f'["{run / "shards" / "train"}"]'}
    reward = {**shards, "reward.fit.updates": 2, "reward.fit.validation_samples": 2}
    train = {
        "finetune.algorithm.num_sampling_steps": 3, "finetune.algorithm.num_train_steps": 1,
        "finetune.algorithm.max_early_stop": 1, "finetune.algorithm.plan": "in_prefix",
        "finetune.optimizer.num_iterations": 2,
    }  # fmt: skip
    poses = {
        "poses.motions": "[]", "poses.dance.num_clips": 6, "poses.dance.seconds": 3, "poses.window": 2,
        "poses.num_train": 4, "poses.num_val": 0, "poses.num_test": 3, "poses.test_share": 0.3,
        "synthesis.clothed_body.multiview": "true", "synthesis.workers": 1, "evaluate.num_standing": 2,
    }  # fmt: skip
    pipeline = base | poses | reward | train | judged | {"finetune.reward.predictor": root / "none.safetensors"}
    steps = [
        Step("pipeline", "latents, predictor fit, rollout, replay, evaluation", "pipeline", pipeline),
        Step("estimator", "estimator fit", "fit_estimator", {
            **base, "estimator.multiview_shards": f'["{run / "shards" / "train"}"]', "estimator.fit.updates": 2,
            "estimator.fit.validation_samples": 2,
        }),
        Step("base", "VAE and base fit", "fit_base", {
            **base, "base.multiview_shards": f'["{run / "shards" / "train"}"]', "base.num_held_out": 2,
            "base.vae.updates": 2, "base.vae.batch_size": 2, "base.unet.updates": 2,
            "base.unet.batch_size": 2,
        }),
        Step("conditions", "conditions in actors", "encode_conditions", {**base, "encode.workers": 1}),
        Step("views", "generation from photos", "generate_views", {
            **base, "generate.photos": root / "photos", "generate.model": WEIGHTS / "i2mv",
            "generate.num_sampling_steps": 2, "generate.workers": 1,
        }),
    ]  # fmt: skip
    ways: dict[str, dict[str, object]] = {
        "zero2_offload": {"parallel.zero_stage": 2, "parallel.offload": "optimizer"},
        "zero3_offload": {
            "parallel.zero_stage": 3, "parallel.offload": "optimizer,parameters", "parallel.reference": "sharded"
        },
        "bfloat16": {"model.precision": "bfloat16"},
        "compile_rollout": {"rollout.compile": "true"},
        "lora": {"model.lora_rank": 16, "parallel.reference": "adapter_off"},
        "reference_offloaded": {"parallel.reference": "offloaded"},
        "rollout_pool": {"rollout.actors.num": 1},  # the trainer holds the one GPU, so actors are on the CPU
        "remote_reward": {"reward.actor_gpus": 0},
    }  # fmt: skip
    for name, settings in ways.items():
        changed = {f"finetune.{field}": value for field, value in settings.items()}
        steps.append(Step(name, ", ".join(f"{k} {v}" for k, v in settings.items()), "finetune",
                          base | train | changed | {"finetune.name": name}))  # fmt: skip
    return steps


def write_photo(folder: Path) -> None:
    """A cut-out that is nobody: generation only has to run."""
    from PIL import Image

    folder.mkdir(parents=True)
    image = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    image.paste((120, 80, 60, 255), (30, 5, 66, 92))
    image.save(folder / "figure.png")


def run_step(step: Step, seconds_left: float) -> tuple[bool, float, str]:
    """Whether it ended well, after how many seconds, and the last it said if not."""
    flags = [part for name, value in step.flags.items() for part in (f"--{name}", str(value))]
    began = time.monotonic()
    try:
        ran = subprocess.run(
            [sys.executable, "-m", f"jobs.{step.job}", *flags], capture_output=True, text=True, check=False,
            timeout=max(seconds_left, 1),
        )  # fmt: skip
        said = "" if ran.returncode == 0 else " / ".join((ran.stdout + ran.stderr).splitlines()[-_LAST_LINES:])
        return ran.returncode == 0, time.monotonic() - began, said
    except subprocess.TimeoutExpired:
        return False, time.monotonic() - began, "not finished within the time of the whole check"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--steps", nargs="*", help="only these, by name")
    parser.add_argument("--write", type=Path, help="a markdown file for the table")
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if arguments.device == "cuda" and torch.cuda.is_available() else "no GPU"
    how = f"`benchmarks/gpu_check.py --device {arguments.device}`, torch {torch.__version__}, {name}."
    lines = ["# Every CUDA path, once", "", how, "", "| step | what | ended well | s | |", "|---|---|---|---|---|"]
    end, failed = time.monotonic() + _SECONDS, 0
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder) / "photos")
        for step in list_steps(Path(folder), arguments.device):
            if arguments.steps and step.name not in arguments.steps:
                continue
            well, seconds, said = run_step(step, end - time.monotonic())
            failed += not well
            lines.append(f"| {step.name} | {step.what} | {'yes' if well else '**no**'} | {seconds:.0f} | {said} |")
            print(lines[-1], flush=True)
            if arguments.write:
                arguments.write.write_text("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
