"""Typed configuration: defaults < YAML preset < command-line flags, with unknown keys refused at every level.

A package declares its settings as a ``Config``; a job composes one ``Config`` per package, under that package's
section name. One preset serves every job: a job reads its own sections and passes over those that belong to others.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.secrets import is_redacted, redact_values
from drpose_ray.core.settings.dotted import section_of
from drpose_ray.core.settings.flags import COMMAND_LINE, parse_flags, suggest
from drpose_ray.core.settings.help_page import help_page
from drpose_ray.core.settings.idle_flags import refuse_idle_flags
from drpose_ray.core.settings.job_sections import known_sections
from drpose_ray.core.settings.preset import read_preset
from drpose_ray.core.settings.renamed import refuse_renamed


class Config(BaseModel):
    """Base of all settings: immutable, closed to unknown keys. Each field has ``Field(description=...)``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Of a job: for each section that it does not use whole, the settings that it does. Flags for others: refused."""

    COMMON: ClassVar[tuple[str, ...]] = ()
    """Of a section: the settings that most users change, which ``--help`` shows first."""


C = TypeVar("C", bound=Config)


def load_config(cls: type[C], argv: Sequence[str] | None = None) -> C:
    """Build ``cls`` from ``--config preset.yaml`` and dotted flags such as ``--finetune.algorithm.kl_weight 0.3``.

    ``argv`` defaults to the process's arguments. Relative paths are relative to the current directory. Environment
    variables are not read. ``--help`` prints every field that the job reads and exits. Raises InputError naming
    the file or flag, the dotted field, its value and a remedy.
    """
    flags = parse_flags(cls, sys.argv[1:] if argv is None else argv)
    refuse_renamed(flags.values, COMMAND_LINE, "--")
    refuse_idle_flags(cls, flags.values, cls.USES)
    preset = {} if flags.config is None else _own_sections(cls, Path(_plain(flags.config, "config")))
    _refuse_odd(preset)
    _refuse_odd(flags.values)
    values = _overlay(cls, _overlay(cls, _section_defaults(cls), preset), flags.values)
    if flags.help:
        _print_help(cls, values, flags.config)
    _refuse_odd_folder()
    _refuse_redacted(values, flags.config)
    try:
        config = cls.model_validate(values)
    except ValidationError as error:
        raise _explain(cls, error, flags.values, flags.config) from error
    _refuse_odd(config)
    return config


def absolute(path: Path) -> Path:
    """``path`` for a process in another folder. A place in a bucket, ``s3://b/p``, as a Path ``s3:/b/p``, stays."""
    return path if path.parts[:1] == ("s3:",) else path.absolute()


def dump_config(config: Config, path: Path) -> None:
    """Publish ``config`` as YAML; ``--config path`` alone then gives back an equal configuration.

    Except for credentials of URIs, which are written nowhere: such a URI has to be given again beside the file.
    """
    values = redact_values(config.model_dump(mode="json"))
    with replace_when_complete(path) as temporary:
        temporary.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def with_absolute_paths(config: C) -> C:
    """``config`` for other processes to use: Ray's workers do not run in the current directory of the job."""
    changes: dict[str, Any] = {}
    for name, value in config:
        changes[name] = tuple(map(_with_absolute, value)) if isinstance(value, tuple) else _with_absolute(value)
    return config.model_copy(update=changes)


def _with_absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return absolute(value)
    return with_absolute_paths(value) if isinstance(value, Config) else value


def _print_help(cls: type[Config], values: Mapping[str, Any], preset: str | None) -> NoReturn:
    print(help_page(cls, values, preset, cls.USES, Path(sys.argv[0]).name), end="", flush=True)
    raise SystemExit(0)


def _refuse_odd(value: Any, name: str = "") -> None:
    """Text that no record can hold, NUL and what is not UTF-8; whole numbers that no tensor can."""
    if isinstance(value, (str, Path)):
        _plain(str(value), name)
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise InputError("more than 64 bits", field=name, value=value, remedy="give a smaller number")
    elif isinstance(value, Config):
        _refuse_odd(dict(value), name)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _refuse_odd(key, name)
            _refuse_odd(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for each in value:
            _refuse_odd(each, name)


def _plain(text: str, field: str) -> str:
    if "\0" in text or not _is_utf8(text):
        raise InputError(
            "not UTF-8 text", field=field, value=text, remedy="rename the file or folder, or correct the text"
        )
    return text


def _refuse_odd_folder() -> None:
    """Relative paths become absolute ones, and those are written into records."""
    try:
        here = str(Path.cwd())
    except OSError as error:
        raise InputError(
            f"the current folder cannot be used ({error.strerror})", remedy="start the job in a folder that exists"
        ) from error
    if not _is_utf8(here):
        raise InputError(
            "the current folder's name is not UTF-8 text", value=here, remedy="rename it, or start elsewhere"
        )


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _own_sections(cls: type[Config], file: Path) -> dict[str, Any]:
    """The part of a preset that belongs to ``cls``; refuses top-level keys that belong to no job."""
    values = read_preset(file)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(
            "the configuration is not a mapping",
            file=file,
            value=type(values).__name__,
            remedy="write sections as 'name:' with indented 'field: value' lines below",
        )
    known = (*cls.model_fields, *known_sections())
    for name in values:
        if name not in known:
            raise InputError("unknown section", file=file, field=str(name), remedy=suggest(str(name), known))
    refuse_renamed(values, file)
    # A bare "poses:" is YAML for null; where a section is required it means one with nothing overridden.
    fields = {name: field for name, field in cls.model_fields.items() if name in values}
    return {
        name: {}
        if values[name] is None and isinstance(field.annotation, type) and _config_of(field.annotation)
        else values[name]
        for name, field in fields.items()
    }


def _refuse_redacted(values: Any, file: str | None, field: str = "") -> None:
    """A dumped configuration shows ``***`` for credentials; it must not be taken for a user's name."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            _refuse_redacted(value, file, f"{field}.{name}" if field else str(name))
    elif isinstance(values, list | tuple):
        for value in values:
            _refuse_redacted(value, file, field)
    elif isinstance(values, str | Path) and is_redacted(str(values)):
        raise InputError(
            "the credentials of this URI were not kept",
            file=file,
            field=field,
            value=str(values),
            remedy=f"give the whole URI again with --{field}",
        )


def _config_of(annotation: Any) -> type[Config] | None:
    return cast("type[Config] | None", section_of(annotation))


def _section_defaults(cls: type[Config]) -> dict[str, Any]:
    """Values of sections whose default differs from their class's own defaults; a partial override keeps the rest."""
    defaults: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        if isinstance(default, Config):
            defaults[name] = default.model_dump()
    return defaults


def _overlay(cls: type[Config], low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """``low`` with ``high`` on top, field by field inside sections; other values are replaced whole."""
    merged = dict(low)
    for name, value in high.items():
        section = _config_of(cls.model_fields[name].annotation) if name in cls.model_fields else None
        below = merged.get(name)
        if section and isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[name] = _overlay(section, below, value)
        else:
            merged[name] = value
    return merged


def _explain(cls: type[Config], error: ValidationError, flags: Mapping[str, Any], file: str | None) -> InputError:
    """The first of pydantic's errors in the user's words; the count of the others keeps nothing hidden."""
    errors = error.errors()
    first, others = errors[0], len(errors) - 1
    location = first["loc"]
    field = ".".join(map(str, location))
    raised = first.get("ctx", {}).get("error")
    inner = raised if isinstance(raised, InputError) else None
    problem = inner.problem if inner else first["msg"].removeprefix("Value error, ")
    value = first["input"] if first["type"] != "missing" and not isinstance(first["input"], Mapping) else None
    remedy = f"give --{field} a value that fits; --help describes it" if field else "see --help"
    if first["type"] == "extra_forbidden":
        owner: type[Config] | None = cls
        for part in location[:-1]:
            owner = owner and _config_of(owner.model_fields[str(part)].annotation) if isinstance(part, str) else None
        problem, remedy = "unknown field", suggest(str(location[-1]), tuple(owner.model_fields) if owner else ())
    elif first["type"] == "missing":
        problem, remedy = "required field is not set", f"set it in the preset or with --{field}"
    elif first["type"] == "literal_error" and isinstance(value, str):
        close = difflib.get_close_matches(value[:100], first["ctx"]["expected"].replace("'", "").split(" or "), n=1)
        remedy = f"did you mean {close[0]!r}?" if close else remedy
    if inner:
        field = ".".join(part for part in (field, inner.field) if part)
        value, remedy = inner.value, inner.remedy
    return InputError(
        problem + (f" (and {others} more)" if others else ""),
        file=COMMAND_LINE if _given(flags, location) else file,
        field=field or None,
        value=value,
        remedy=remedy,
    )


def _given(flags: Mapping[str, Any], location: Sequence[int | str]) -> bool:
    value: Any = flags
    for part in location:
        if not isinstance(value, Mapping):
            return True  # an element of a list that came as one flag
        if part not in value:
            return False
        value = value[part]
    return bool(location)
