"""Flags without effect are refused. A preset serves all jobs and may hold anything; a flag is meant for one job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from drpose_ray.errors import InputError
from drpose_ray.flags import COMMAND_LINE

_OWNERS: Final = {
    "evaluate": "jobs/evaluate.py",
    "evaluate.num_standing": "jobs/pipeline.py",
    "evaluate.split": "jobs/pipeline.py",
    "finetune": "jobs/finetune.py",
    "poses": "jobs/select_poses.py",
    "reward": "jobs/fit_reward.py",
    "scans": "jobs/render_scans.py",
    "run.device": "the jobs that compute with networks",
    "run.seed": "the jobs that draw random numbers from it",
    "run.tracking_uri": "the jobs that train or judge",
    "synthesis": "jobs/synthesize.py",
}
"""Who uses a setting that other jobs carry along; the longest name counts."""


def refuse_idle_flags(cls: type[BaseModel], flags: Mapping[str, Any], uses: Mapping[str, tuple[str, ...]]) -> None:
    """Raise InputError for the first of ``flags``, nested as ``cls`` is, that ``uses`` does not name.

    ``uses`` gives, for each section that the job does not use whole, the fields that it does.
    """
    for section, fields in uses.items():
        known = cls.model_fields[section].annotation
        for name, value in _each(flags.get(section, {})):
            top, full = name.partition(".")[0], f"{section}.{name}"
            if has_effect(full, uses) or not (isinstance(known, type) and top in getattr(known, "model_fields", {})):
                continue  # what is no field at all is refused as such
            owner = max((each for each in _OWNERS if f"{full}.".startswith(f"{each}.")), key=len)
            raise InputError(
                "the flag has no effect in this job", file=COMMAND_LINE, field=f"--{full}", value=value,
                remedy=f"leave it out; it is a setting of {_OWNERS[owner]}, and of {section} this job reads "
                f"{', '.join(fields)}",
            )  # fmt: skip


def has_effect(name: str, uses: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the setting of this dotted ``name`` does something in the job that declares ``uses``."""
    section, _, field = name.partition(".")
    return section not in uses or field.partition(".")[0] in uses[section]


def _each(values: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested mapping."""
    if not isinstance(values, Mapping):
        if before:
            yield before, values
        return
    for name, value in values.items():
        yield from _each(value, f"{before}.{name}" if before else str(name))
