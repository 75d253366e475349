"""The card of a finished dataset: what is in it, what is not, from where, on which terms, and how to read it.

A card depends on the dataset alone, but for its title and its date, which are given: equal datasets get equal cards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete, write_json
from drpose_ray.core.seeding import stream
from drpose_ray.core.settings.config import absolute
from drpose_ray.datasets.inspect.card_counts import Counts
from drpose_ray.datasets.inspect.card_fields import DatasetCard, SegmentCard
from drpose_ray.datasets.inspect.contact_sheet import contact_sheet
from drpose_ray.datasets.inspect.plain_text import markdown
from drpose_ray.datasets.inspect.rejected import write_rejected
from drpose_ray.datasets.manifest import check_sizes, manifest_sha256, read_manifest
from drpose_ray.datasets.rows import Manifest, ShardRow
from drpose_ray.datasets.shards.open_shard import read_motions, read_shard
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.poses.procedural.standing import draw_standing
from drpose_ray.poses.sampling.diversity import ALIGNMENT, diversity_mm, plot_diversity

TEXT, CONTACT_SHEET, REJECTED, DIVERSITY, NUMBERS = (
    "README.md", "contact_sheet.png", "rejected.csv", "diversity.png", "card.json",
)  # fmt: skip

MOST_POSES: Final = 20_000
"""Poses that diversity is measured on: more change its first three digits no more, and would have to be held."""

_MODES: Final = {1: "grey, 16 bits", 3: "RGB", 4: "RGBA"}


def write_dataset_card(dataset: Path | str, output: Path, name: str, built: str | None = None) -> DatasetCard:
    """Publish a card of ``dataset`` in the folder ``output``; ``card.json`` comes last.

    Shards are read one after the other: headers and motions of all, the pictures of a few sequences.

    Raises InputError if the dataset is unfinished, damaged or not what its manifest says, or if ``output`` is no
    folder of its own: a dataset's folder holds nothing else.
    """
    _refuse_dataset_folder(dataset, output)
    card, poses = read_card(dataset, name, built)
    place = Path(dataset)
    contact_sheet(place, output / CONTACT_SHEET)
    write_rejected(place, output / REJECTED)
    standing = draw_standing(stream(0, "standing"), 1000)
    plot_diversity({"standing people": standing, "this dataset": poses}, output / DIVERSITY)
    with replace_when_complete(output / TEXT) as temporary:
        temporary.write_text(card_text(card), encoding="utf-8")
    write_json(output / NUMBERS, card.model_dump(mode="json"))
    return card


def read_card(dataset: Path | str, name: str, built: str | None = None) -> tuple[DatasetCard, NDArray[np.float32]]:
    """The numbers of a finished dataset, and the poses (P, 322) that its diversity was measured on."""
    manifest = read_manifest(dataset)
    check_sizes(dataset, manifest.shards)
    counts, poses = Counts(), _EvenSample(manifest.frames_ok)
    for row in manifest.shards:
        for header, motion in read_motions(dataset, row):
            ok = counts.add(manifest, header)
            poses.add(motion[ok])
            made = header.provenance
            drawn_by = (made.generator, made.generator_settings_sha256)  # which decide the pictures' sizes
            if ok and drawn_by not in counts.images:
                counts.images[drawn_by] = _image_shapes(dataset, row, header.key)
    _refuse_other_counts(dataset, manifest, counts)
    identity = manifest.identity
    card = DatasetCard(
        name=name,
        built=built,
        manifest_sha256=manifest_sha256(dataset),
        frames=identity.frames,
        frames_ok=manifest.frames_ok,
        frames_failed=manifest.frames_failed,
        frames_filtered=manifest.frames_filtered,
        rejected=counts.rejected_rows(),
        sequences=identity.sequences,
        sequences_ok=manifest.sequences_ok,
        duplicates=len(manifest.duplicates),
        shards=len(manifest.shards),
        bytes=sum(row.bytes for row in manifest.shards),
        segments=tuple(
            SegmentCard(
                sequences=each.sequences,
                frames=each.frames,
                shards=-(-each.sequences // identity.sequences_per_shard),
            )
            for each in identity.segments
        ),
        generators=counts.generator_rows(manifest),
        sources=counts.rows("source"),
        licences_of_motions=counts.rows("motion"),
        licences_of_bodies=counts.rows("body"),
        licences_of_images=counts.rows("image"),
        rates=counts.rows("fps"),
        sequence_lengths=counts.rows("length"),
        diversity_mm=round(diversity_mm(poses.rows()), 3),
        diversity_poses=len(poses.rows()),
        diversity_alignment=ALIGNMENT,
    )
    return card, poses.rows()


def card_text(card: DatasetCard) -> str:
    """The card as Markdown."""
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"markdown": markdown, "sizes": _sizes, "short": _short}
    return (
        environment.get_template("dataset_card.md.jinja").render(
            card=card, twins=any(each.free_twin for each in card.generators)
        )
        + "\n"
    )


class _EvenSample:
    """Every n-th of a known number of poses, ``MOST_POSES`` at most, in stored order."""

    def __init__(self, total: int) -> None:
        self._step = -(-total // MOST_POSES)
        self._kept = np.empty((-(-total // self._step), NUM_COLUMNS), np.float32)
        self._seen = self._num = 0

    def add(self, rows: NDArray[np.float32]) -> None:
        chosen = rows[-self._seen % self._step :: self._step][: len(self._kept) - self._num]
        self._kept[self._num : self._num + len(chosen)] = chosen
        self._num += len(chosen)
        self._seen += len(rows)

    def rows(self) -> NDArray[np.float32]:
        """(P, 322)."""
        return self._kept[: self._num]


def _image_shapes(dataset: Path | str, row: ShardRow, key: str) -> dict[str, tuple[int, ...]]:
    sample = next(sample for sample in read_shard(dataset, row) if sample.key == key)
    return {name: image.shape for name, image in sorted(sample.images.items())}


def _refuse_other_counts(dataset: Path | str, manifest: Manifest, counts: Counts) -> None:
    found = {state: counts.states[state] for state in ("ok", "failed", "filtered")}
    stated = {"ok": manifest.frames_ok, "failed": manifest.frames_failed, "filtered": manifest.frames_filtered}
    if found != stated:
        raise InputError(
            f"the shards do not hold what the manifest says ({stated})",
            file=dataset,
            field="frames",
            value=found,
            remedy="look at it with jobs/verify_dataset.py",
        )


def _refuse_dataset_folder(dataset: Path | str, output: Path) -> None:
    place, folder = absolute(Path(dataset)), absolute(output)
    if folder.parts[0] == "s3:" or folder.resolve().is_relative_to(place.resolve()):
        raise InputError(
            "a card needs a local folder of its own, outside the dataset's",
            file=output,
            field="card.output",
            remedy="choose another folder",
        )


def _short(digest: str) -> str:
    """Enough of a digest to know it by."""
    return re.sub("[^0-9A-Za-z]", "?", digest[:12])


def _sizes(images: Mapping[str, Sequence[tuple[int, ...]]]) -> str:
    """E.g. ``input`` 96 × 96 RGBA."""
    return ", ".join(
        f"`{name}` " + " and ".join(f"{width} × {height} {_MODES[channels]}" for height, width, channels in shapes)
        for name, shapes in images.items()
    )
