"""Scans to shards (Sec. 4.1): six views of each in colour, normals and depth. A rerun renders what is missing.

Twin:      drpose scans make --run.folder outputs/scans
           drpose scans render --run.folder outputs/scans --renders.image_size 192
Real ones: drpose scans render --scans.sources '[{"folder": "/data/THuman2.1"}]'
           A test split apart: --renders.split test (and train, val); --scans.splits says which scans it has
Quickly:   --renders.engine raycast
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config, with_absolute_paths
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.store.store import absolute_location
from drpose_ray.scans.config import ScansConfig, ScanSource
from drpose_ray.scans.render.config import RendersConfig
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.splits import split_scans


class RenderScansConfig(Config):
    """Settings of jobs/render_scans.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    scans: ScansConfig = Field(
        default=ScansConfig(), description="Which scans are rendered; none named means those of jobs/make_scans.py."
    )
    renders: RendersConfig = Field(default=RendersConfig(), description="Which views, rendered by what, where to.")

    @property
    def sources(self) -> tuple[ScanSource, ...]:
        return self.scans.sources or (ScanSource(folder=self.run.folder / "scans"),)

    @property
    def output(self) -> str:
        """A folder, or ``s3://bucket/prefix``."""
        folder = "renders" if self.renders.split == "all" else f"renders_{self.renders.split}"
        return absolute_location(self.renders.output or self.run.folder / folder)

    @property
    def own_folder(self) -> Path:
        """Summary, cameras and sheets: of each dataset in a folder of its own."""
        name = Path(self.output).name.removeprefix("renders").removeprefix("_")
        return self.run.folder / (f"render_scans_{name}" if name else "render_scans")

    def chosen(self, scans: Sequence[ScanFiles]) -> list[ScanFiles]:
        """Those of the split that is rendered. Raises InputError if there are none."""
        chosen = (
            list(scans) if self.renders.split == "all" else split_scans(scans, self.scans.splits)[self.renders.split]
        )
        if not chosen:
            raise InputError(
                "no scans to render", field="renders.split", value=self.renders.split,
                remedy=f"name other sources or another split: there are {len(scans)} scans in all",
            )  # fmt: skip
        return chosen


class RenderScansSummary(Summary):
    """What jobs/render_scans.py reports."""

    dataset: str = Field(description="folder of the shards and their manifest")
    scans: int
    scans_ok: int = Field(description="of them with pictures")
    shards: int
    shards_built_now: int = Field(description="the others were there from an earlier attempt")
    frames_ok: int
    frames_failed: int
    reasons: dict[str, int] = Field(description="failed frames by reason")


CONFIG, SUMMARY = RenderScansConfig, RenderScansSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
    from drpose_ray.datasets.builder.plan import plan_build
    from drpose_ray.scans.render.loader import ScanLoader
    from drpose_ray.scans.render.scan_item import scan_item
    from drpose_ray.scans.render.scan_renders import ScanRenders
    from drpose_ray.scans.sources import list_scans

    scans = config.chosen(list_scans(config.sources))
    loader = ScanLoader(config.scans, scans)
    load_maker = functools.partial(
        ScanRenders, config.renders, config.run.seed, loader, loader.body_sha256, loader.settings()
    )
    gpus = choose_gpus(config.run.device, config.renders.workers, config.renders.gpus_per_worker)
    pool = MakerPool(load_maker, config.renders.workers, gpus)
    plan = plan_build(
        [
            scan_item(files, loader.fit_row(files), rank, config.renders.input_azimuths_deg)
            for rank, files in enumerate(scans)
        ],
        load_maker(),
        config.output,
        config.renders.scans_per_shard,
        attempts=config.renders.attempts,
    )
    built: list[str] = []
    with Progress("scans", len(scans)) as progress:

        def report(row: ShardRow, left: int) -> None:
            built.append(row.name)
            progress.step(row.sequences, row.counts, left)

        manifest = build_on_ray(plan, [pool], report)
    reasons: Counter[str] = Counter()
    for row in manifest.shards:
        reasons.update(row.reasons)
    with open_run(config, config.own_folder, "render_scans") as run:
        describe(config, run.folder)
        run.finish(
            RenderScansSummary(
                dataset=config.output,
                scans=manifest.identity.sequences,
                scans_ok=manifest.sequences_ok,
                shards=len(manifest.shards),
                shards_built_now=len(built),
                frames_ok=manifest.frames_ok,
                frames_failed=manifest.frames_failed,
                reasons=dict(reasons.most_common()),
            )
        )
    print(f"{manifest.sequences_ok} of {len(scans)} scans in {len(manifest.shards)} shards: {config.output}")
    for reason, frames in reasons.most_common(20):
        print(f"  {frames} frames failed: {reason}")


def describe(config: RenderScansConfig, folder: Path) -> None:
    """Cameras and sheets of the finished dataset, into the run's folder."""
    from drpose_ray.datasets.inspect.contact_sheet import contact_sheet
    from drpose_ray.scans.render.camera_file import write_cameras
    from drpose_ray.scans.render.views_sheet import views_sheet

    write_cameras(config.output, config.renders, config.run.seed, folder / "cameras.jsonl")
    if config.renders.contact_sheet and read_manifest(config.output).frames_ok:
        contact_sheet(Path(config.output), folder / "contact_sheet.png", config.renders.contact_sheet, config.run.seed)
        views_sheet(config.output, folder / "views.png", min(config.renders.contact_sheet, 12))
