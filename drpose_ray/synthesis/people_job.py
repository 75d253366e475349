"""Rendered people with six views in two domains, as shards: the training sets of base, reward and estimator.

drpose people render --config configs/weights.yaml
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import ClassVar

from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.people_config import PeopleConfig
from drpose_ray.synthesis.config import ClothedBodyConfig


class RenderPeopleConfig(Config):
    """Settings of jobs/render_people.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = RunSettings()
    poses: PosesConfig = PosesConfig()
    people: PeopleConfig = PeopleConfig()


class RenderPeopleSummary(Summary):
    """What jobs/render_people.py reports: frames rendered per set."""

    frames_by_set: dict[str, int]


CONFIG, SUMMARY = RenderPeopleConfig, RenderPeopleSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
    from drpose_ray.datasets.builder.plan import plan_build
    from drpose_ray.poses.people_sets import people_windows, training_clips
    from drpose_ray.synthesis.clothed_body import ClothedBody

    if not config.people.sets:
        raise InputError("no sets to render", field="people.sets", remedy="name at least one set")
    clips = training_clips(config.poses)
    garments = absolute(config.people.garments) if config.people.garments else None
    drawn = ClothedBodyConfig(garments=garments, image_size=config.people.image_size, multiview=True, azimuth_deg=None)
    frames: dict[str, int] = {}
    for name, settings in config.people.sets.items():
        windows = people_windows(name, settings, clips)
        load_maker = functools.partial(ClothedBody, drawn, settings.seed)
        folder = config.run.folder / "people" / name
        plan = plan_build(windows, load_maker(), folder, config.people.per_shard)

        with Progress(f"people of {name}", len(windows)) as progress:

            def report(row: ShardRow, left: int, progress: Progress = progress) -> None:
                progress.step(row.sequences, row.counts, left)

            frames[name] = build_on_ray(plan, [MakerPool(load_maker, config.people.workers)], report).frames_ok
    with open_run(config, config.run.folder / "render_people", "render_people") as run:
        run.finish(RenderPeopleSummary(frames_by_set=frames))
