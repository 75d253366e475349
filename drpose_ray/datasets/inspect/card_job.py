"""The card of a finished dataset: counts, terms, sources, diversity, pictures of it and a list of what was rejected.

drpose data card --config configs/small.yaml
drpose data card --card.dataset s3://bucket/drpose15k/train --card.output cards/drpose15k
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_hidden, is_there, read_json
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RUN_FILE, SUMMARY_FILE, RunSettings, Summary, open_run
from drpose_ray.core.settings.config import Config, absolute, load_config
from drpose_ray.datasets.store.store import absolute_location


class CardSettings(Config):
    """The ``card:`` section."""

    COMMON = ("dataset", "output")

    dataset: Path | None = Field(
        default=None, description="Dataset, a folder or s3://...; by default the run's train shards."
    )
    output: Path | None = Field(
        default=None, description="Folder of the card, not the dataset's; by default dataset_card in the run folder."
    )
    name: str | None = Field(default=None, description="Title of the card; by default the end of the dataset's path.")


class DatasetCardConfig(Config):
    """Settings of jobs/dataset_card.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder",),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept.")
    card: CardSettings = Field(default=CardSettings(), description="Which dataset gets a card, and where.")

    @property
    def dataset(self) -> Path:
        return self.card.dataset or self.run.folder / "shards" / "train"

    @property
    def output(self) -> Path:
        return self.card.output or self.run.folder / "dataset_card"


class DatasetCardSummary(Summary):
    """What jobs/dataset_card.py reports; ``card.json`` has all numbers."""

    dataset: str
    card: str = Field(description="folder of the card")
    frames_ok: int
    frames_failed: int
    frames_filtered: int
    diversity_mm: float = Field(description="Fig. 4 measure of the poses that are read")


CONFIG, SUMMARY = DatasetCardConfig, DatasetCardSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.datasets.inspect.dataset_card import write_dataset_card

    name = config.card.name or "/".join([part for part in config.dataset.parts if part != "shards"][-2:])
    with Progress("reading the dataset"):
        card = write_dataset_card(config.dataset, config.output, name, date_of_build(config.run.folder, config.dataset))
    with open_run(config, config.run.folder / "dataset_card", "dataset_card") as run:
        run.finish(
            DatasetCardSummary(
                dataset=absolute_location(config.dataset),
                card=str(config.output),
                frames_ok=card.frames_ok,
                frames_failed=card.frames_failed,
                frames_filtered=card.frames_filtered,
                diversity_mm=card.diversity_mm,
            )
        )
    print(f"card of {card.frames_ok} ok frames: {config.output / 'README.md'}")


def date_of_build(run_folder: Path, dataset: Path) -> str | None:
    """The date in the run record of the job that made ``dataset``, if that is in ``run_folder``."""
    summaries = sorted(run_folder.glob(f"synthesize/*/{SUMMARY_FILE}"))
    for summary in (*summaries, run_folder / "reshard" / SUMMARY_FILE):
        record = summary.with_name(RUN_FILE)
        if is_hidden(summary.parent.name) or not (is_there(summary) and is_there(record)):
            continue
        if absolute(Path(_text_in(summary, "dataset"))) == absolute(dataset):
            return _text_in(record, "started_utc")[:10]
    return None


def _text_in(file: Path, field: str) -> str:
    record = read_json(file)
    if not isinstance(record, dict) or not isinstance(record.get(field), str):
        raise InputError(
            "not what a job leaves in its run folder", file=file, field=field, remedy="delete the file, or run that job"
        )
    return str(record[field])
