"""Reads every scan of the given folders as rendering will, and says which ones work, what is wrong with the others.

drpose scans check --scans.sources '[{"folder":"/data/THuman2.1","body":"models/smplx/SMPLX_MALE.npz"}]'
Thousands:  ... --check.workers 8
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.scans.broken import BrokenScan, CheckedScan, scan_checker
from drpose_ray.scans.config import ScansConfig
from drpose_ray.scans.splits import split_scans


class CheckSettings(Config):
    """The ``check:`` section."""

    COMMON = ("workers",)

    workers: int = Field(
        default=1,
        ge=1,
        description="Number of Ray actors of one CPU that read scans at once; 1 is the job itself, without Ray.",
    )


class CheckScansConfig(Config):
    """Settings of jobs/check_scans.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = RunSettings()
    scans: ScansConfig = ScansConfig()
    check: CheckSettings = Field(default=CheckSettings(), description="How the scans are read.")


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

    from drpose_ray.scans.render.loader import ScanLoader
    from drpose_ray.scans.sources import list_scans

    if not config.scans.sources:
        raise InputError("no scans", field="scans.sources", remedy="name at least one folder")
    scans = list_scans(config.scans.sources)
    dealt = split_scans(scans, config.scans.splits)
    ids = [files.scan_id for files in scans]
    loader = ScanLoader(config.scans, scans)
    # A worker that a scan kills cannot say so itself; without workers, it is this job that ends.
    reading = (config.run.folder / "check_scans" / "reading").absolute() if config.check.workers > 1 else None
    answers = _checked(functools.partial(scan_checker, loader, reading), ids, config.check.workers)
    broken: list[BrokenScan] = []
    messages: dict[str, str] = {}
    with (
        open_run(config, config.run.folder / "check_scans", "check_scans") as run,
        _emptied(reading),
        Progress("scans read", len(scans)) as progress,
    ):
        for answer in _in_order(answers, ids):
            if answer.broken is not None:
                broken.append(answer.broken)
                messages[answer.scan_id] = answer.message
                progress.say(f"{answer.scan_id}: {answer.message}")
            progress.step(note=f"{len(broken)} broken")
        write_json(run.folder / "broken.json", messages)
        run.finish(
            CheckScansSummary(
                scans=len(scans),
                by_source=dict(sorted(Counter(files.source for files in scans).items())),
                by_split={name: len(part) for name, part in dealt.items()},
                broken=tuple(broken),
            )
        )
    print(f"{len(scans) - len(broken)} of {len(scans)} scans can be used")
    return int(bool(broken))


@contextmanager
def _emptied(folder: Path | None) -> Iterator[None]:
    """Marks of an earlier run, which may have been interrupted, say nothing of this one; and none are left."""
    if folder is None:
        yield
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _checked(
    make_checker: Callable[[], Callable[[str], str]], ids: Sequence[str], workers: int
) -> Iterator[CheckedScan]:
    """What is said of each scan, as it comes."""
    if workers == 1:
        answers: Iterable[str] = map(make_checker(), ids)
    else:
        from drpose_ray.core.on_ray import ActorPool, map_in_pools  # costs seconds, which only who maps should pay

        answers = map_in_pools([ActorPool(make_checker, ids, workers)])
    return map(CheckedScan.model_validate_json, answers)


def _in_order(answers: Iterable[CheckedScan], ids: Sequence[str]) -> Iterator[CheckedScan]:
    """``answers``, which come in any order, in that of ``ids``: a report does not depend on who was faster."""
    early: dict[str, CheckedScan] = {}
    places = iter(ids)
    waited_for = next(places, None)
    for answer in answers:
        early[answer.scan_id] = answer
        while waited_for is not None and waited_for in early:
            yield early.pop(waited_for)
            waited_for = next(places, None)
