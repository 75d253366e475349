"""What ``--help`` prints: what the job is for, an example, the settings that matter most, then all others."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from drpose_ray.core.errors import printable
from drpose_ray.core.secrets import redact
from drpose_ray.core.settings.dotted import section_of
from drpose_ray.core.settings.idle_flags import has_effect

_WIDEST = 110
_INDENT = 6
_LONGEST_DEFAULT = 200


def help_page(
    cls: type[BaseModel],
    values: Mapping[str, Any],
    preset: str | None = None,
    uses: Mapping[str, tuple[str, ...]] | None = None,
    program: str = "drpose COMMAND",
) -> str:
    """The page of a job whose configuration is ``cls``.

    ``values`` are those of the preset and the flags: shown in place of the defaults that they override. ``uses`` are
    the fields that the job reads of sections that it does not use whole: flags for others are refused, and not shown.
    """
    width = max(40, min(shutil.get_terminal_size((100, 24)).columns, _WIDEST))
    module = sys.modules[cls.__module__]
    purpose = inspect.cleandoc(module.__doc__ or cls.__doc__ or "")
    shown = f", which are shown as {redact(printable(preset))} sets them" if preset else ""
    settings = {setting.name: setting for setting in _settings(cls, values, "") if has_effect(setting.name, uses or {})}
    common = [settings.pop(name) for name in _common(cls) if name in settings]
    lines = [
        *_paragraphs(purpose, width), "",
        *_wrap(f"Usage: {program} [--config PRESET.yaml] [--SECTION.SETTING VALUE ...]", width), "",
        *_wrap(
            f"A flag overrides the preset, and the preset the defaults{shown}. Lists are written a,b or as JSON; null "
            "means none.", width,
        ),
    ]  # fmt: skip
    if common:
        lines += ["", "The settings that matter most", *_entries(common, width)]
    for name, info in cls.model_fields.items():
        own = [setting for setting in settings.values() if setting.name.partition(".")[0] == name]
        if own:
            title = f"{name}: {info.description or _summary(info)}"
            lines += ["", *_wrap(title, width), *_entries(own, width)]
    return "\n".join(lines).strip() + "\n"


def _common(cls: type[BaseModel]) -> Iterator[str]:
    for name, info in cls.model_fields.items():
        section = section_of(info.annotation)
        yield from (f"{name}.{each}" for each in getattr(section, "COMMON", ()))


class _Setting:
    """One flag of the page."""

    def __init__(self, name: str, info: FieldInfo, value: Any) -> None:
        self.name, self._info, self._value = name, info, value

    def lines(self, width: int) -> Iterator[str]:
        yield f"  --{self.name} {_kind(self._info.annotation)}"
        limits = [
            said.format(getattr(part, name))
            for part in self._info.metadata
            for name, said in _LIMITS
            if getattr(part, name, None) is not None
        ]
        about = self._info.description or _summary(self._info)
        if limits:
            about += f" It is {' and '.join(limits)}."
        needed = self._info.is_required() and self._value is None
        default = "It has to be given." if needed else f"Default: {_show(self._value)}."
        yield from textwrap.wrap(
            f"{about} {default}".strip(), width, initial_indent=" " * _INDENT, subsequent_indent=" " * _INDENT
        )


_LIMITS = (("ge", "at least {}"), ("gt", "more than {}"), ("le", "at most {}"), ("lt", "less than {}"))


def _settings(cls: type[BaseModel], values: Any, prefix: str) -> Iterator[_Setting]:
    for name, info in cls.model_fields.items():
        value = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
        if isinstance(values, BaseModel):
            value = getattr(values, name)
        elif isinstance(values, Mapping) and name in values:
            value = values[name]
        section = section_of(info.annotation)
        if section is None or get_origin(info.annotation) in {tuple, list, dict}:
            yield _Setting(prefix + name, info, value)
        else:
            if not isinstance(info.annotation, type):  # an optional section: null leaves it out
                yield _Setting(prefix + name, info, None if value is None else "as below")
            yield from _settings(section, value, f"{prefix}{name}.")


def _entries(settings: Sequence[_Setting], width: int) -> Iterator[str]:
    for setting in settings:
        yield from setting.lines(width)


def _kind(annotation: Any) -> str:
    """What to write as the value."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, parts))
    if origin in {tuple, list}:
        return f"[{_kind(parts[0])},...]" if parts[-1] is ... else ",".join(map(_kind, parts))
    if origin is dict:
        return f"{{NAME: {_kind(parts[1])}}}"
    if parts and hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    if parts:
        return "|".join("null" if part is type(None) else _kind(part) for part in parts)
    if section := section_of(annotation):
        return f"{{{', '.join(section.model_fields)}}}"
    return {bool: "true|false", int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, (tuple, list)):
        text = "[" + ", ".join(map(_show, value)) + "]"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {_show(each)}" for key, each in value.items()) + "}"
    elif isinstance(value, BaseModel):
        text = _show(value.model_dump(exclude_defaults=True))
    else:
        text = redact(printable(str(value)))
    return text if len(text) <= _LONGEST_DEFAULT else text[:_LONGEST_DEFAULT] + "..."


def _summary(info: FieldInfo) -> str:
    section = section_of(info.annotation)
    return inspect.cleandoc(section.__doc__ or "").partition("\n")[0] if section else ""


def _paragraphs(text: str, width: int) -> Iterator[str]:
    """Prose wrapped; blocks of commands, which start with ``drpose``, ``When: drpose`` or lie indented, as they are."""
    for block in text.replace("``", "").split("\n\n"):
        lines = block.splitlines()
        yield ""
        if any(re.match(r" |(\w[\w ]*: +)?drpose ", line) for line in lines):
            yield from lines
        else:
            yield from textwrap.wrap(" ".join(lines), width)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ")
