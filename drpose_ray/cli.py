"""The ``drpose`` command. Only the standard library is imported until a command is chosen."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final, NamedTuple


class Command(NamedTuple):
    """One entry: also ``jobs/<script>.py``, for ``ray job submit``."""

    script: str
    module: str
    """Below ``drpose_ray``; its ``main(argv)`` returns the exit status."""
    does: str


COMMANDS: Final = {
    "poses select": Command("select_poses", "poses.job", "motions to selected challenging poses (Sec. 3.2)"),
    "data build": Command("synthesize", "synthesis.job", "selected poses to images in shards (Sec. 3.2)"),
    "data plan": Command("plan_synthesis", "synthesis.planning.job", "what a dataset will take, before it is built"),
    "data verify": Command("verify_dataset", "datasets.inspect.verify_job", "whether a dataset is whole; repairs it"),
    "data reshard": Command("reshard", "datasets.inspect.reshard_job", "datasets joined, or cut into other shards"),
    "data card": Command("dataset_card", "datasets.inspect.card_job", "the card of a dataset, with pictures"),
    "people render": Command("render_people", "synthesis.people_job", "clothed people in six views, for training"),
    "scans make": Command("make_scans", "scans.make_job", "free twins of a scan dataset"),
    "scans check": Command("check_scans", "scans.check_job", "which scans can be read, what is wrong with others"),
    "scans render": Command("render_scans", "scans.render.job", "scans to six views in shards (Sec. 4.1)"),
    "encode latents": Command("encode_latents", "reward.fit.latents_job", "six views to latents, once"),
    "encode conditions": Command("encode_conditions", "finetune.conditions.job", "input images to conditions, once"),
    "base fit": Command("fit_base", "diffusion.small.job", "train the small base model"),
    "reward fit": Command("fit_reward", "reward.fit.job", "train the skeleton predictor (Sec. 3.1)"),
    "reward report": Command("report_reward", "evaluation.reward.job", "judge skeleton predictors side by side"),
    "estimator fit": Command("fit_estimator", "evaluation.estimator.job", "train the independent pose estimator"),
    "finetune": Command("finetune", "finetune.job", "DrPose post-training (Algorithm 1)"),
    "finetune plan-memory": Command("plan_memory", "finetune.memory.job", "what a fine-tune needs on each device"),
    "finetune export": Command("export", "finetune.checkpoint.export_job", "a checkpoint to a model folder"),
    "views": Command("generate_views", "diffusion.inference.job", "photos to six normals and six colours each"),
    "evaluate": Command("evaluate", "evaluation.drpose.job", "judge base and DrPose on held-out poses (Sec. 4)"),
    "sweep": Command("sweep", "experiments.sweep.job", "choose KL weight and early stop on validation poses"),
    "pipeline": Command("pipeline", "experiments.pipeline", "all stages in order, to a before/after table"),
    "doctor": Command("doctor", "doctor.job", "this machine, weights and licensed parts: what is there, what is not"),
    "dev weights": Command("weights", "experiments.weights", "train the shipped small weights again"),
    "dev schemas": Command("schemas", "dev.schemas", "write schemas/ from the typed models"),
}
"""By the words after ``drpose``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` begins with; its exit status (drpose_ray/core/job.py says what they mean)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[0:1] == ["help"] or (argv[0:1] in (["-h"], ["--help"]) and argv[1:]):
        argv = [*argv[1:], "--help"]
    for length in (2, 1):
        command = COMMANDS.get(" ".join(argv[:length]))
        if command is not None:
            return run(command.script, argv[length:])
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    return _refuse(argv)


def run(script: str, argv: Sequence[str] | None = None) -> int:
    """What ``jobs/<script>.py`` does; ``argv`` defaults to the process's arguments."""
    importlib.import_module("drpose_ray.core.environment")  # before anything that needs a package
    argv = sys.argv[1:] if argv is None else argv
    sys.argv[0] = f"drpose {words_of(script)}"  # what help calls it
    status: int = load_job(script).main(argv)
    return status


def load_job(script: str) -> ModuleType:
    """The module behind ``jobs/<script>.py``: ``CONFIG``, ``SUMMARY`` and ``main(argv)``."""
    return importlib.import_module(f"drpose_ray.{COMMANDS[words_of(script)].module}")


def words_of(script: str) -> str:
    """What to type after ``drpose`` for ``jobs/<script>.py``."""
    return next(words for words, command in COMMANDS.items() if command.script == script)


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {words:{width}}  {command.does}" for words, command in COMMANDS.items())
    return (
        "Direct reward fine-tuning on poses for single image to 3D human (DrPose), on Ray.\n\n"
        f"Usage: drpose COMMAND [--config PRESET.yaml] [--SECTION.SETTING VALUE ...]\n\n{listed}\n\n"
        "drpose COMMAND --help describes the settings of one command."
    )


def _refuse(argv: list[str]) -> int:
    words = " ".join(word[:40] for word in argv[:1] + [word for word in argv[1:2] if not word.startswith("-")])
    below = [name for name in COMMANDS if name.startswith(f"{argv[0]} ")]
    close = below or difflib.get_close_matches(words, COMMANDS, n=1)
    remedy = f"one of: {', '.join(close)}" if below else f"did you mean {close[0]!r}?" if close else "see drpose --help"
    print(f"error: no such command; value: {words!r}; remedy: {remedy}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
