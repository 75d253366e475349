"""Poses to images (Sec. 3.2): draw selected windows and store them in shards. A rerun builds what is missing.

Normal:   drpose data build --config configs/small.yaml --synthesis.split test
Growing:  the same with a larger --synthesis.num_poses, and a selection that was continued by jobs/select_poses.py
Planning: --synthesis.dry_run true; jobs/plan_synthesis.py has the prices and rates
To S3:    --synthesis.output s3://bucket/drpose15k/train
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.cutout import list_cutouts, say_left_out
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config
from drpose_ray.datasets.builder.maker import RecordMaker
from drpose_ray.datasets.manifest import read_plan
from drpose_ray.datasets.rows import Manifest, ShardRow
from drpose_ray.datasets.store.store import absolute_location
from drpose_ray.synthesis.config import ClothedBodyConfig, MimoConfig, SynthesisConfig
from drpose_ray.synthesis.planning.job import PlanSynthesisConfig, plan_synthesis
from drpose_ray.synthesis.quality.config import QualityConfig

if TYPE_CHECKING:
    from drpose_ray.datasets.builder.on_ray import MakerPool
    from drpose_ray.poses.windows_file import WindowsFile
    from drpose_ray.synthesis.clothed_body import ClothedBody
    from drpose_ray.synthesis.mimo.pose_to_image import MimoAnimation


class SynthesizeConfig(Config):
    """Settings of jobs/synthesize.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    synthesis: SynthesisConfig = Field(default=SynthesisConfig(), description="Which poses to draw, how and where to.")

    @property
    def selection(self) -> Path:
        return self.synthesis.selection or self.run.folder / "select_poses" / "selection.parquet"

    @property
    def output(self) -> str:
        """A folder, or ``s3://bucket/prefix``."""
        return absolute_location(self.synthesis.output or self.run.folder / "shards" / self.synthesis.split)


class SynthesizeSummary(Summary):
    """What jobs/synthesize.py reports."""

    dataset: str = Field(description="folder of the shards and their manifest")
    sequences: int = Field(description="windows, each one person")
    sequences_ok: int = Field(description="of them with at least one good frame")
    shards: int
    shards_built_now: int = Field(description="the others were there from an earlier attempt")
    frames_ok: int
    frames_failed: int
    frames_filtered: int


CONFIG, SUMMARY = SynthesizeConfig, SynthesizeSummary

C = TypeVar("C", ClothedBodyConfig, MimoConfig)


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.poses.windows_file import read_selection

    if config.synthesis.dry_run:
        plan_synthesis(PlanSynthesisConfig(run=config.run, synthesis=config.synthesis))
        return
    windows = read_selection(absolute(config.selection), config.synthesis.split)
    wanted = num_wanted(windows, config)
    built: list[str] = []
    with Progress(f"sequences of {config.synthesis.split}") as progress:

        def report(row: ShardRow, left: int) -> None:
            built.append(row.name)
            progress.step(row.sequences, row.counts, left)

        manifest = synthesize(config, windows, wanted, report)
    with open_run(config, config.run.folder / "synthesize" / config.synthesis.split, "synthesize") as run:
        run.finish(
            SynthesizeSummary(
                dataset=config.output,
                sequences=manifest.identity.sequences,
                sequences_ok=manifest.sequences_ok,
                shards=len(manifest.shards),
                shards_built_now=len(built),
                frames_ok=manifest.frames_ok,
                frames_failed=manifest.frames_failed,
                frames_filtered=manifest.frames_filtered,
            )
        )
    frames = f"{manifest.frames_ok} of {manifest.identity.frames} frames"
    there = f", of which {len(manifest.shards) - len(built)} were there" if len(built) < len(manifest.shards) else ""
    print(f"{frames} in {len(manifest.shards)} shards{there}: {config.output}")


def synthesize(
    config: SynthesizeConfig, windows: WindowsFile, wanted: int, report: Callable[[ShardRow, int], None]
) -> Manifest:
    """Build the dataset of the first ``wanted`` windows, and of as many more as replace rejected ones."""
    from drpose_ray.datasets.builder.on_ray import build_on_ray
    from drpose_ray.datasets.builder.plan import plan_build

    pools = choose_pools(config)
    *beside, maker = (pool.load() for pool in pools)
    shares = [(each, config.synthesis.clothed_share) for each in beside]
    planned, quality = wanted, config.synthesis.quality
    if config.synthesis.replace_rejected and (before := read_plan(config.output)):
        planned = max(wanted, before.sequences)  # an earlier run drew replacements already
    while True:
        plan = plan_build(
            windows.first(planned),
            maker,
            config.output,
            config.synthesis.sequences_per_shard,
            beside=shares,
            attempts=config.synthesis.attempts,
            duplicate_bits=quality.max_duplicate_bits if quality else None,
        )
        manifest = build_on_ray(plan, pools, report)
        missing = wanted - manifest.sequences_ok
        if not config.synthesis.replace_rejected or missing <= 0:
            return manifest
        if planned == len(windows):
            print(f"{missing} rejected sequences are not replaced: the selection holds no more windows")
            return manifest
        planned = min(planned + missing, len(windows))


def num_wanted(windows: WindowsFile, config: SynthesizeConfig) -> int:
    """Windows that hold ``num_poses`` frames. Raises InputError if the selection has fewer."""
    num_poses = config.synthesis.num_poses
    if num_poses is None:
        return len(windows)
    length = len(windows[0].frames)
    wanted = -(-num_poses // length)
    if wanted > len(windows):
        raise InputError(
            f"the selection holds {len(windows)} windows of {length} poses",
            file=config.selection,
            field="synthesis.num_poses",
            value=num_poses,
            remedy=f"continue it: drpose poses select --poses.num_{config.synthesis.split} {wanted}"
            " --poses.continues <its picks.npz> with another --run.folder",
        )
    return wanted


def choose_pools(config: SynthesizeConfig) -> list[MakerPool]:
    """MIMO where it is configured, with clothed bodies beside it if they have a share; clothed bodies otherwise."""
    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.datasets.builder.on_ray import MakerPool
    from drpose_ray.synthesis.clothed_body import ClothedBody
    from drpose_ray.synthesis.mimo.pose_to_image import MimoAnimation

    synthesis, seed = config.synthesis, config.run.seed
    clothed, quality = synthesis.clothed_body, synthesis.quality
    twin = MakerPool(functools.partial(load_maker, ClothedBody, _placed(clothed), seed, quality), synthesis.workers)
    if synthesis.mimo is None:
        return [twin]
    say_left_out(list_cutouts(synthesis.mimo.photos, "synthesis.mimo.photos")[1])
    gpus = choose_gpus(config.run.device, synthesis.workers, synthesis.mimo.gpus_per_worker, may_share=True)
    animation = _placed(synthesis.mimo).model_copy(update={"gpus_per_worker": gpus})
    mimo = MakerPool(functools.partial(load_maker, MimoAnimation, animation, seed, quality), synthesis.workers, gpus)
    return [twin, mimo] if synthesis.clothed_share else [mimo]


def load_maker(
    kind: Callable[[C, int], ClothedBody | MimoAnimation], chosen: C, seed: int, quality: QualityConfig | None
) -> RecordMaker[Any]:
    """What an actor draws with."""
    from drpose_ray.synthesis.quality.filters import CheckedMaker, QualityCheck

    generator = kind(chosen, seed)
    return generator if quality is None else CheckedMaker(generator, QualityCheck(quality, generator.body))


def _placed(chosen: C) -> C:
    """Paths that hold for workers in other folders; the free body is exported once, here, and not by every worker."""
    from drpose_ray.body.anny_export import BODY_CACHE, ensure_body

    changes = {"body": absolute(chosen.body or ensure_body(BODY_CACHE))}
    if isinstance(chosen, ClothedBodyConfig) and chosen.garments:
        changes["garments"] = absolute(chosen.garments)
    if isinstance(chosen, MimoConfig):
        changes |= {name: absolute(getattr(chosen, name)) for name in ("weights", "photos", "color_table")}
    return chosen.model_copy(update=changes)
