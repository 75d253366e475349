"""Which job reads which settings, so that one preset serves all jobs and none has to import the others.

``dev.schemas`` collects ``job_sections.json`` from the jobs' ``CONFIG`` classes, and tells if it is out of date.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from drpose_ray.core.settings.dotted import is_within

INDEX: Final = Path(__file__).with_suffix(".json")

Index: TypeAlias = dict[str, dict[str, list[str] | None]]
"""Job -> section -> the settings that it reads of it, None for all."""


def collect_index(configs: Mapping[str, Any]) -> Index:
    """The index of the jobs' ``CONFIG`` classes."""
    return {
        job: {section: _used(config, section) for section in config.model_fields} for job, config in configs.items()
    }


def _used(config: Any, section: str) -> list[str] | None:
    return list(config.USES[section]) if section in config.USES else None


@functools.cache
def _index() -> Index:
    index: Index = json.loads(INDEX.read_text(encoding="utf-8"))
    return index


def known_sections() -> list[str]:
    """Every top-level section that a preset may hold."""
    return sorted({section for sections in _index().values() for section in sections})


def jobs_that_read(setting: str) -> list[str]:
    """The jobs in which the setting of this dotted name has an effect."""
    section, _, name = setting.partition(".")
    used = {job: sections[section] for job, sections in _index().items() if section in sections}
    return [job for job, names in used.items() if names is None or is_within(name, names)]
