"""Train, validation and test: published lists of test scans where there are any, a hash of the subject elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_text
from drpose_ray.scans.config import ScanSplits
from drpose_ray.scans.scan import ScanFiles

SplitName = Literal["train", "val", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "val", "test")


def split_scans(scans: Sequence[ScanFiles], settings: ScanSplits) -> dict[SplitName, list[ScanFiles]]:
    """Deal ``scans`` out, each to one split, in their order; adding scans moves none of the others.

    A source with a list is tested on its scans, as published, and on no others; the rest of it goes to train and val.
    Elsewhere the test is a hashed share of the subjects. A scan whose subject is unknown is a subject of its own. Lists
    are of scans, so where a published list does not separate subjects, neither does the split.

    Raises:
        InputError: a list is missing or broken, names scans that the source has not, or is of no source.
    """
    lists = {source: read_split(file) for source, file in settings.test_lists.items()}
    for source, file in settings.test_lists.items():
        names = {files.name for files in scans if files.source == source}
        missing = sorted(lists[source] - names)
        if missing:
            known = "scans of the list are not in the source" if names else "a list for a source that is not given"
            raise InputError(
                known, file=file, field=f"scans.splits.test_lists.{source}",
                value=f"{len(missing)} of {len(lists[source])}, e.g. {missing[0]}",
                remedy="complete the dataset, or correct the list" if names else "name the source as scans.sources do",
            )  # fmt: skip
    dealt: dict[SplitName, list[ScanFiles]] = {name: [] for name in SPLITS}
    for files in scans:
        dealt[_split_of(files, lists.get(files.source), settings)].append(files)
    return dealt


def read_split(file: Path) -> frozenset[str]:
    """Names of scans, one a line; empty lines and what follows ``#`` are left out.

    Raises:
        InputError: the file cannot be read as text, has no names, has one twice, or one that no file can have.
            data/splits/README.md says where lists are from.
    """
    lines = read_text(file, field="scans.splits.test_lists").splitlines()
    names = [name for line in lines if (name := line.partition("#")[0].strip())]
    if not names or len(set(names)) < len(names):
        raise InputError(
            "a list without names" if not names else "names that are listed twice", file=file,
            field="scans.splits.test_lists", value=sorted({name for name in names if names.count(name) > 1})[:3],
            remedy="list each test scan once, one a line",
        )  # fmt: skip
    if odd := [name for name in names if not name.isprintable() or len(name) > 255]:
        raise InputError(
            "a line that no file can be called", file=file, field="scans.splits.test_lists", value=odd[0][:80],
            remedy="list each test scan once, one a line",
        )  # fmt: skip
    return frozenset(names)


def _split_of(files: ScanFiles, test: frozenset[str] | None, settings: ScanSplits) -> SplitName:
    if test is not None and files.name in test:
        return "test"
    place = _place(files, settings.seed)
    if test is None and place < settings.test_share:
        return "test"
    return "val" if place >= 1 - settings.val_share else "train"


def _place(files: ScanFiles, seed: int) -> float:
    """A number in [0, 1) of the subject alone."""
    subject = f"{seed}:{files.source}:{files.subject or files.name or files.scan_id}"
    digest = hashlib.sha256(subject.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
