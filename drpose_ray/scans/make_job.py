"""The free twin of a scan dataset: clothed people as textured GLB files with SMPL-X parameters, any number, seeded.

drpose scans make --run.folder outputs/small --twin.num 50
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.poses.config import PosesConfig
from drpose_ray.scans.config import TwinConfig


class MakeScansConfig(Config):
    """Settings of jobs/make_scans.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = RunSettings()
    poses: PosesConfig = Field(default=PosesConfig(), description="Motions of the mocap share, training split only.")
    twin: TwinConfig = TwinConfig()


class MakeScansSummary(Summary):
    """What jobs/make_scans.py reports."""

    folder: str
    scans: int
    written_by_this_run: int


CONFIG, SUMMARY = MakeScansConfig, MakeScansSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
    from drpose_ray.body.smplx_body import Body
    from drpose_ray.body.tailor import find_tailor
    from drpose_ray.poses.people_sets import training_clips
    from drpose_ray.scans.twin import write_twins

    clips = training_clips(config.poses) if config.twin.mixture.get("mocap", 0) > 0 else []
    folder: Path = config.run.folder / "scans"
    tailor = find_tailor(Body(ensure_body(BODY_CACHE)), config.twin.garments)
    with (
        open_run(config, config.run.folder / "make_scans", "make_scans") as run,
        Progress("scans written") as progress,
    ):
        written = write_twins(folder, tailor, config.twin, clips, lambda _: progress.step())
        run.finish(MakeScansSummary(folder=str(folder), scans=config.twin.num, written_by_this_run=written))
    print(f"{config.twin.num} scans in {folder}, {written} of them new")
