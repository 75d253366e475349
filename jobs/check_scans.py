"""Reads every scan of the given folders as rendering will, and says which ones work, what is wrong with the others.

python -m jobs.check_scans --scans.sources '[{"folder":"/data/THuman2.1","body":"models/smplx/SMPLX_MALE.npz"}]'
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.config import Config, load_config
from drpose_ray.errors import InputError
from drpose_ray.publish import write_json
from drpose_ray.runs import RunSettings, Summary, open_run
from drpose_ray.scans.config import ScansConfig
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.splits import split_scans
from jobs import run_job


class CheckScansConfig(Config):
    """Settings of jobs/check_scans.py."""

    run: RunSettings = RunSettings()
    scans: ScansConfig = ScansConfig()


class BrokenScan(BaseModel):
    """A scan that cannot be used, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan_id: str
    file: str
    field: str
    problem: str


class CheckScansSummary(Summary):
    """What jobs/check_scans.py reports; ``broken.json`` beside it holds whole messages with remedies."""

    scans: int
    by_source: dict[str, int]
    by_split: dict[str, int]
    broken: tuple[BrokenScan, ...]


CONFIG, SUMMARY = CheckScansConfig, CheckScansSummary


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    config = load_config(CONFIG, argv)
    if not config.scans.sources:
        raise InputError("no scans", field="scans.sources", remedy="name at least one folder")
    scans = list_scans(config.scans.sources)
    dealt = split_scans(scans, config.scans.splits)
    body = Body(config.scans.body or ensure_body(BODY_CACHE))
    broken: dict[str, InputError] = {}
    with open_run(config, config.run.folder / "check_scans", "check_scans") as run:
        for count, files in enumerate(scans, 1):
            try:
                load_scan(files, body, config.scans.checks)
            except InputError as error:
                broken[files.scan_id] = error
                print(f"{files.scan_id}: {error}", flush=True)
            if count % 100 == 0:
                print(f"{count} of {len(scans)} scans read, {len(broken)} broken", flush=True)
        write_json(run.folder / "broken.json", {scan_id: str(error) for scan_id, error in broken.items()})
        run.finish(
            CheckScansSummary(
                scans=len(scans),
                by_source=dict(sorted(Counter(files.source for files in scans).items())),
                by_split={name: len(part) for name, part in dealt.items()},
                broken=tuple(
                    BrokenScan(scan_id=scan_id, file=_name(error.file), field=str(error.field), problem=error.problem)
                    for scan_id, error in broken.items()
                ),
            )
        )
    print(f"{len(scans) - len(broken)} of {len(scans)} scans can be used")
    return int(bool(broken))


def _name(file: str | Path | None) -> str:
    return "" if file is None else Path(file).name


if __name__ == "__main__":
    sys.exit(main())
