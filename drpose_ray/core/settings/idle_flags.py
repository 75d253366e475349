"""Flags without effect are refused. A preset serves all jobs and may hold anything; a flag is meant for one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.dotted import flatten, is_within, section_of
from drpose_ray.core.settings.flags import COMMAND_LINE
from drpose_ray.core.settings.job_sections import jobs_that_read


def refuse_idle_flags(cls: type[BaseModel], flags: Mapping[str, Any], uses: Mapping[str, tuple[str, ...]]) -> None:
    """Raise InputError for the first of ``flags``, nested as ``cls`` is, that ``uses`` does not name.

    ``uses`` gives, for each section that the job does not use whole, the settings that it does.
    """
    for name, value in flatten(flags).items():
        section, _, inside = name.partition(".")
        fields = section_of(cls.model_fields[section].annotation)
        if has_effect(name, uses) or not fields or inside.partition(".")[0] not in fields.model_fields:
            continue  # what is no field at all is refused as such
        owners = ", ".join(f"jobs/{job}.py" for job in jobs_that_read(name))
        raise InputError(
            "the flag has no effect in this job", file=COMMAND_LINE, field=f"--{name}", value=value,
            remedy=f"leave it out; it is a setting of {owners}; of {section} this job reads {', '.join(uses[section])}",
        )  # fmt: skip


def has_effect(name: str, uses: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the setting of this dotted ``name`` does something in the job that declares ``uses``."""
    section, _, inside = name.partition(".")
    return section not in uses or is_within(inside, uses[section])
