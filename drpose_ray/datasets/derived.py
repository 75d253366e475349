"""Folders computed from a dataset, one file per shard: a plan first, the files, and a marker last.

Plan and marker hold the same record, which says what the files were computed from. A folder can so be resumed, and can
neither be continued nor read as something that it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.files.reading import is_there, read_text
from drpose_ray.datasets.identity import Count

PLAN: Final = "plan.json"


class DerivedRecord(BaseModel):
    """What such a folder says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_sha256: str
    """Of the dataset's manifest."""
    samples: Count
    files: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$")], ...]
    """Their names; none leads out of the folder."""


RecordT = TypeVar("RecordT", bound=DerivedRecord)


def start_or_resume(folder: Path, record: DerivedRecord, marker: str, noun: str) -> list[str]:
    """Begin or continue ``folder``; returns the files that are still to be made.

    ``noun`` is what messages call its content. Raises InputError if the folder belongs to another record.
    """
    plan = folder / PLAN
    if plan.exists() and _parse(plan, type(record)) != record:
        raise InputError(
            f"the folder holds {noun} of another model or dataset", file=plan,
            remedy="choose another output folder, or delete this one",
        )  # fmt: skip
    if (folder / marker).exists() and not plan.exists():
        raise InputError("not a folder of this job", file=folder, remedy="choose another output folder")
    write_json(plan, record.model_dump(mode="json"))
    return [name for name in record.files if not (folder / name).exists()]


def complete(folder: Path, record: DerivedRecord, marker: str) -> None:
    """Mark the folder complete."""
    write_json(folder / marker, record.model_dump(mode="json"))


def read_record(folder: Path, record_type: type[RecordT], marker: str, noun: str, *, field: str, job: str) -> RecordT:
    """The record of a finished folder. Raises InputError if it is not finished; ``field`` is the setting that named it,
    ``job`` what makes such folders.
    """
    record = _parse(folder / marker, record_type)
    if record is None:
        raise InputError(f"no finished {noun}", file=folder / marker, field=field, remedy=f"make them with {job}")
    return record


def refuse_other_origin(
    file: Path, record: DerivedRecord, noun: str, expected: Mapping[str, tuple[object, str]]
) -> None:
    """Raise InputError if a field of ``record`` differs; ``expected`` gives its value and whose it is, in words."""
    for field, (value, owner) in expected.items():
        stored = getattr(record, field)
        if stored != value:
            raise InputError(
                f"the {noun} are not of {owner}", file=file, field=field, value=_short(stored),
                remedy=f"make them again (theirs: {_short(value)})",
            )  # fmt: skip


def _parse(file: Path, record_type: type[RecordT]) -> RecordT | None:
    if not is_there(file):
        return None
    text = read_text(file)
    try:
        return record_type.model_validate_json(text)
    except ValidationError:
        return None


def _short(value: object) -> object:
    return value[:12] if isinstance(value, str) else value
