"""A post-training's settings by dotted names, as flags give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpose_ray.finetune.settings.finetune import FinetuneConfig


def finetune_config(settings: Mapping[str, object]) -> FinetuneConfig:
    values: dict[str, Any] = {}
    for name, value in settings.items():
        *groups, last = name.split(".")
        group = values
        for each in groups:
            group = group.setdefault(each, {})
        group[last] = value
    return FinetuneConfig.model_validate(values)
