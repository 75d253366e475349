"""Poses to images (Sec. 3.2): draw every selected window and store it in shards. A rerun builds what is missing.

python -m jobs.synthesize --config configs/small.yaml --synthesis.split test
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.config import Config, load_config
from drpose_ray.poses.windows_file import read_selection
from drpose_ray.runs import RunSettings, Summary, open_run
from drpose_ray.shards.manifest import ShardRow
from drpose_ray.synthesis.build import plan_build
from drpose_ray.synthesis.clothed_body import ClothedBody
from drpose_ray.synthesis.config import MimoConfig, SynthesisConfig
from drpose_ray.synthesis.mimo import MimoAnimation
from drpose_ray.synthesis.on_ray import build_on_ray
from drpose_ray.synthesis.pose_to_image import PoseToImage
from jobs import run_job


class SynthesizeConfig(Config):
    """Settings of jobs/synthesize.py."""

    run: RunSettings = Field(default=RunSettings(), description="where the run is kept, and its seed")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="which poses to draw, how and where to")

    @property
    def selection(self) -> Path:
        return self.synthesis.selection or self.run.folder / "select_poses" / "selection.parquet"

    @property
    def output(self) -> Path:
        return self.synthesis.output or self.run.folder / "shards" / self.synthesis.split


class SynthesizeSummary(Summary):
    """What jobs/synthesize.py reports."""

    dataset: str = Field(description="folder of the shards and their manifest")
    sequences: int = Field(description="windows, each one person")
    shards: int
    shards_built_now: int = Field(description="the others were there from an earlier attempt")
    frames_ok: int
    frames_failed: int
    frames_filtered: int


CONFIG, SUMMARY = SynthesizeConfig, SynthesizeSummary


def choose_generator(config: SynthesizeConfig) -> Callable[[], PoseToImage]:
    """MIMO where it is configured, the clothed body otherwise; paths are absolute, for workers in other folders."""
    chosen = config.synthesis.mimo or config.synthesis.clothed_body
    # The free body is exported once, here, and not by every worker at the same time.
    paths = {"body": (chosen.body or ensure_body(BODY_CACHE)).absolute()}
    if isinstance(chosen, MimoConfig):
        paths |= {name: getattr(chosen, name).absolute() for name in ("weights", "photos", "colour_table")}
        return functools.partial(MimoAnimation, chosen.model_copy(update=paths), config.run.seed)
    return functools.partial(ClothedBody, chosen.model_copy(update=paths), config.run.seed)


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)
    windows = read_selection(config.selection, config.synthesis.split)
    make_generator = choose_generator(config)
    plan = plan_build(windows, make_generator(), config.output, config.synthesis.sequences_per_shard)
    built: list[ShardRow] = []

    def report(row: ShardRow) -> None:
        built.append(row)
        failed = row.frames_failed + row.frames_filtered
        print(f"{row.name}: {row.frames_ok} frames, {failed} failed or filtered ({len(built)} built)", flush=True)

    gpus = config.synthesis.mimo.gpus_per_worker if config.synthesis.mimo else 0
    manifest = build_on_ray(plan, make_generator, config.synthesis.workers, report, gpus)
    with open_run(config, config.run.folder / "synthesize" / config.synthesis.split, "synthesize") as run:
        run.finish(
            SynthesizeSummary(
                dataset=str(plan.folder),
                sequences=manifest.identity.sequences,
                shards=len(manifest.shards),
                shards_built_now=len(built),
                frames_ok=manifest.frames_ok,
                frames_failed=manifest.frames_failed,
                frames_filtered=manifest.frames_filtered,
            )
        )
    print(f"{manifest.frames_ok} of {manifest.identity.frames} frames in {len(manifest.shards)} shards: {plan.folder}")


if __name__ == "__main__":
    sys.exit(main())
