"""The command line: ``--section.field VALUE`` pairs, read by the fields of a configuration.

A value of one field is text. A list is ``a,b``, ``[a, b]`` or JSON, and repeating its flag adds to it; a mapping is
``name=value,...`` or JSON; a section may be given whole as JSON. ``null`` is no value. The last flag of a field counts.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import refusing
from drpose_ray.core.settings.dotted import dotted_names, section_of
from drpose_ray.core.settings.renamed import refuse_renamed

_HELP = "--help lists every flag; nested fields are dotted, for example --run.folder outputs/mine"
COMMAND_LINE = "command line"
"""The file of refusals, where a flag is refused."""


@dataclass(frozen=True)
class Flags:
    """What a command line asks for."""

    values: dict[str, Any] = field(default_factory=dict)
    """Nested as the configuration is."""
    config: str | None = None
    help: bool = False


def parse_flags(cls: type[BaseModel], argv: Sequence[str]) -> Flags:
    """Read ``argv`` by the fields of ``cls``. Raises InputError for a flag that is none, with the likeliest meant."""
    values: dict[str, Any] = {}
    config, asks_help = None, False
    words = iter(argv)
    for word in words:
        if word in {"-h", "--help"}:
            asks_help = True
            continue
        if not word.startswith("--"):
            raise InputError("not a flag", file=COMMAND_LINE, value=word, remedy=_HELP)
        flag, equals, text = word.partition("=")
        name = flag.removeprefix("--")
        annotation = None if name == "config" else _annotation(cls, name)
        if not equals:
            text = next(words, "--")
            if text.startswith("--"):
                raise InputError(
                    "the flag has no value",
                    file=COMMAND_LINE,
                    field=flag,
                    remedy=f"write {flag} VALUE, or {flag}=VALUE",
                )
        if name == "config":
            config = text
        else:
            _put(values, name.split("."), _read_value(annotation, text, name))
    return Flags(values, config, asks_help)


def suggest(name: str, known: Sequence[str]) -> str:
    """What ``name`` was likely meant to be, or what there is."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def _annotation(cls: type[BaseModel], name: str) -> Any:
    at: type[BaseModel] | None = cls
    annotation: Any = cls
    for part in name.split("."):
        if at is None or part not in at.model_fields:
            refuse_renamed({name: None}, COMMAND_LINE, "--")
            raise InputError("no such flag", file=COMMAND_LINE, field=f"--{name[:200]}", remedy=_meant(cls, name))
        annotation = at.model_fields[part].annotation
        at = section_of(annotation)
    return annotation


def _meant(cls: type[BaseModel], name: str) -> str:
    known = ["config", *dotted_names(cls)]
    same_end = [each for each in known if each.rpartition(".")[2] == name.rpartition(".")[2]]
    # Long nonsense is like nothing, and comparing it with each of 300 names takes its time.
    close = (same_end[:1] or difflib.get_close_matches(name, known, n=1)) if len(name) < 100 else []
    if close:
        return f"did you mean --{close[0]}?"
    return f"the sections of this job are {', '.join(cls.model_fields)}; {_HELP}"


def _read_value(annotation: Any, text: str, name: str) -> Any:
    if text == "null":
        return None
    kinds = {get_origin(each) or each for each in (annotation, *get_args(annotation))}
    is_list, is_mapping = bool(kinds & {tuple, list}), dict in kinds
    if not (is_list or is_mapping or section_of(annotation)):
        return text
    stripped = text.strip()
    if stripped[:1] in {"[", "{"}:
        words = stripped[1:-1]
        if is_list and stripped[0] == "[" and stripped[-1] == "]" and not set(words) & set('"[]{}'):
            return [_bare(word) for word in words.split(",")] if words.strip() else []
        with refusing(COMMAND_LINE, f"--{name}", "the value is not valid JSON", 'quote it: \'["a", "b"]\''):
            return json.loads(text, object_pairs_hook=_each_key_once)
    if is_list:
        return [_bare(word) for word in text.split(",")] if text else []
    if is_mapping and "=" in text:
        return dict(_pair(part, name) for part in text.split(","))
    return text


def _bare(word: str) -> str | None:
    word = word.strip()
    return None if word == "null" else word


def _pair(part: str, name: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise InputError(
            "not a name with its value",
            file=COMMAND_LINE,
            field=f"--{name}",
            value=part,
            remedy="write NAME=VALUE,...",
        )
    return key.strip(), value.strip()


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        below = values.get(part)
        if not isinstance(below, dict):
            below = values[part] = {}
        values = below
    before = values.get(path[-1])
    if isinstance(before, list) and isinstance(value, list):
        value = before + value
    elif isinstance(before, Mapping) and isinstance(value, Mapping):
        value = {**before, **value}
    values[path[-1]] = value
