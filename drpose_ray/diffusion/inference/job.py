"""Photos to six normals and six colours each, with a base or a post-trained model. A rerun makes what is missing.

drpose views --config configs/small.yaml --generate.photos my_photos
drpose views --generate.model weights/pshuman --generate.photos my_photos --generate.precision float16
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError, printable
from drpose_ray.core.files.cutout import say_left_out
from drpose_ray.core.files.reading import is_there
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.origin import FileHashes, continue_as
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, load_config, with_absolute_paths
from drpose_ray.diffusion.inference.config import GenerateConfig
from drpose_ray.diffusion.inference.photo import list_photos


class GenerateViewsConfig(Config):
    """Settings of jobs/generate_views.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    generate: GenerateConfig = Field(default=GenerateConfig(), description="The model, the photos, and the sampler.")

    @property
    def output(self) -> Path:
        """The folder of views, one folder per photo in it."""
        return self.generate.output or self.run.folder / "generate_views" / "views"


class GenerateViewsSummary(Summary):
    """What jobs/generate_views.py reports; the counts add up to ``photos``."""

    output: str
    photos: int
    generated: int
    already_there: int
    failed: int
    failures: dict[str, str] = Field(description="photo to reason")
    left_out: int = Field(description="files of the folder that are no photos with transparency; not among ``photos``")


CONFIG, SUMMARY = GenerateViewsConfig, GenerateViewsSummary


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    config = with_absolute_paths(load_config(CONFIG, argv))

    from drpose_ray.core.device.on_ray import choose_gpus
    from drpose_ray.diffusion.inference.drawing import has_any_views
    from drpose_ray.diffusion.inference.on_ray import generate_on_ray
    from drpose_ray.diffusion.inference.origin import ORIGIN_FILE, views_origin

    settings = config.generate
    if settings.photos is None:
        raise InputError(
            "no photos are named", field="generate.photos", remedy="give --generate.photos FOLDER, of RGBA images"
        )
    if not is_there(settings.model / "model_index.json", "generate.model"):
        raise InputError(
            "no such file", file=settings.model / "model_index.json", field="generate.model",
            remedy="name a model folder in Hugging Face layout",
        )  # fmt: skip
    listed = list_photos(settings.photos)
    files = listed.photos
    say_left_out(listed.left_out)
    gpus = choose_gpus(config.run.device, settings.workers, settings.gpus_per_worker, may_share=True)
    settings = settings.model_copy(update={"gpus_per_worker": gpus})
    continue_as(
        config.output / ORIGIN_FILE, views_origin(settings, config.run.seed, FileHashes()),
        begun=has_any_views(config.output), noun="views",
    )  # fmt: skip
    failures: dict[str, str] = {}
    generated = 0
    with (
        open_run(config, config.run.folder / "generate_views", "generate_views") as run,
        Progress("photos", len(files)) as progress,
    ):
        for outcome in generate_on_ray(settings, config.run.seed, files, config.output):
            generated += not outcome.problem
            if outcome.problem:
                failures[outcome.name] = outcome.problem
                print(printable(f"{outcome.name}: {outcome.problem}"), file=sys.stderr, flush=True)
            progress.step(note=f"{len(failures)} failed")
        run.finish(
            GenerateViewsSummary(
                output=str(config.output),
                photos=len(files),
                generated=generated,
                already_there=len(files) - generated - len(failures),
                failed=len(failures),
                failures=failures,
                left_out=len(listed.left_out),
            )
        )
    print(f"{len(files) - len(failures)} of {len(files)} photos have views: {config.output}")
    return 1 if failures else 0
