"""Settings by their dotted names, ``finetune.algorithm.kl_weight``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The configuration inside a field's annotation, if the field is a section (optional ones included)."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def dotted_names(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting of ``cls``, sections included."""
    for name, info in cls.model_fields.items():
        yield prefix + name
        if section := section_of(info.annotation):
            yield from dotted_names(section, f"{prefix}{name}.")


def is_within(name: str, names: Iterable[str]) -> bool:
    """Whether ``name`` is one of ``names`` or a setting inside one."""
    return any(f"{name}.".startswith(f"{each}.") for each in names)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def replaced(config: M, changes: Mapping[str, Any]) -> M:
    """``config`` with other values, which are not checked: ``replaced(finetune, {"algorithm.kl_weight": 0.0})``."""
    for name, value in changes.items():
        top, _, rest = name.partition(".")
        below = replaced(getattr(config, top), {rest: value}) if rest else value
        config = config.model_copy(update={top: below})
    return config


def all_but(cls: type[BaseModel], *left_out: str) -> tuple[str, ...]:
    """The settings of ``cls`` without some, as few names as say it."""
    names: list[str] = []
    for name, info in cls.model_fields.items():
        inside = [each.removeprefix(f"{name}.") for each in left_out if each.startswith(f"{name}.")]
        section = section_of(info.annotation)
        if section and inside:
            names += (f"{name}.{each}" for each in all_but(section, *inside))
        elif name not in left_out:
            names.append(name)
    return tuple(names)
