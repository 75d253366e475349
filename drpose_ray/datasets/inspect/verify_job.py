"""Is a finished dataset whole? Names what is missing, torn, altered, invalid or extra; repair makes way for a rebuild.

drpose data verify --config configs/small.yaml
drpose data verify --verify.dataset s3://bucket/drpose15k/train --verify.repair true
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.store.store import absolute_location


class VerifySettings(Config):
    """The ``verify:`` section."""

    COMMON = ("dataset", "repair")

    dataset: Path | None = Field(
        default=None, description="Dataset, a folder or s3://...; by default the run's train shards."
    )
    deep: bool = Field(
        default=False,
        description="Whether pictures are decoded too, which takes longer; headers, poses and joints are checked "
        "always.",
    )
    repair: bool = Field(
        default=False,
        description="Whether damaged shards and abandoned parts are removed; the next build makes the shards again.",
    )


class VerifyDatasetConfig(Config):
    """Settings of jobs/verify_dataset.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    verify: VerifySettings = Field(default=VerifySettings(), description="Which dataset is verified.")

    @property
    def dataset(self) -> str:
        """A folder, or ``s3://bucket/prefix``."""
        return absolute_location(self.verify.dataset or self.run.folder / "shards" / "train")


class VerifyDatasetSummary(Summary):
    """What jobs/verify_dataset.py reports."""

    dataset: str
    shards: int
    sequences: int
    frames_ok: int
    findings: dict[str, int] = Field(description="files by what is wrong with them; empty if nothing is")
    repaired: bool


CONFIG, SUMMARY = VerifyDatasetConfig, VerifyDatasetSummary


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    config = load_config(CONFIG, argv)

    from drpose_ray.datasets.inspect.verify import inspect, repair

    manifest = read_manifest(config.dataset)
    with Progress("shards checked", len(manifest.shards)) as progress:

        def tell(row: ShardRow) -> None:
            progress.step(note=row.name)

        findings = list(inspect(config.dataset, tell, deep=config.verify.deep))
    for finding in findings:
        print(finding)
    if config.verify.repair:
        repair(config.dataset, findings)
    with open_run(config, config.run.folder / "verify_dataset", "verify_dataset") as run:
        run.finish(
            VerifyDatasetSummary(
                dataset=config.dataset,
                shards=len(manifest.shards),
                sequences=manifest.identity.sequences,
                frames_ok=manifest.frames_ok,
                findings=dict(Counter(finding.kind for finding in findings)),
                repaired=config.verify.repair and bool(findings),
            )
        )
    if not findings:
        print(f"{len(manifest.shards)} shards, {manifest.frames_ok} ok frames: all as the manifest says")
        return 0
    if config.verify.repair:
        print("repaired: run the job that built the dataset again, it makes what is missing", file=sys.stderr)
        return 0
    print("to repair it: the same with --verify.repair true", file=sys.stderr)
    return 1
