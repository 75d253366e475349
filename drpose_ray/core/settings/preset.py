"""Presets: YAML files of settings, from anybody: bounded in bytes, depth and values, with no key given twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_text, refusing

MAX_BYTES: Final = 2**18
MAX_VALUES: Final = 20_000
"""Aliases counted as what they stand for: nine lines of nine aliases each are a billion values."""
MAX_DEPTH: Final = 64
_LONGEST_KEY: Final = 200

_NOT_YAML: Final = "not valid YAML"
_REMEDY: Final = "correct the file at that place"


def read_preset(file: Path) -> Any:
    """The value in a YAML file. Raises InputError naming the file and what is wrong with it."""
    text = read_text(file, MAX_BYTES, field="--config")
    with refusing(file, "--config", _NOT_YAML, _REMEDY, also=(yaml.YAMLError,)):
        loader = _StrictLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _Measure(file).of(node, 0)
            return loader.construct_document(node)
        except RecursionError as error:
            raise _too_deep(file) from error
        finally:
            loader.dispose()


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where the stock loader silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                problem = f"key {repr(key)[:_LONGEST_KEY]} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Measure:
    """Counts the values below a node as they will be, each node once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[int, int] = {}
        self._above: set[int] = set()

    def of(self, node: yaml.Node, depth: int) -> int:
        if id(node) in self._above:
            raise InputError(
                "a value holds itself", file=self._file, field="--config", remedy="an alias stands for what is above it"
            )
        if depth > MAX_DEPTH:
            raise _too_deep(self._file)
        if id(node) in self._known:
            return self._known[id(node)]
        self._above.add(id(node))
        parts = _parts(node)
        count = 1 + sum(self.of(part, depth + 1) for part in parts)
        self._above.remove(id(node))
        self._known[id(node)] = count
        if count > MAX_VALUES:
            raise InputError(
                f"more than {MAX_VALUES} values", file=self._file, field="--config",
                remedy="name folders instead of their files; an alias counts as what it stands for",
            )  # fmt: skip
        return count


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _too_deep(file: Path) -> InputError:
    return InputError(
        f"nested deeper than {MAX_DEPTH} levels", file=file, field="--config", remedy="settings are four or five deep"
    )
