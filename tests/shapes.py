"""Pytest plugin: functions of five packages compare the shapes in their signatures with what they are called with.

Only under pytest, so that nothing else pays for it; workers of Ray and DeepSpeed import the packages as they are. An
axis letter (docs/design.md) stands for one length within a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("diffusion", "finetune", "geometry", "reconstruction", "reward")


def check_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` checking those of its annotations that name axes; the other types are mypy's business."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if _names_axes(hint)}
    return beartype(function)


def _names_axes(hint: object) -> bool:
    return (inspect.isclass(hint) and issubclass(hint, AbstractArray)) or any(map(_names_axes, get_args(hint)))


def _modules_with_shapes() -> Iterator[str]:
    """The others would be slower for nothing."""
    for package in PACKAGES:
        for file in (ROOT / "drpose_ray" / package).rglob("*.py"):
            if "from jaxtyping import" in file.read_text(encoding="utf-8"):
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts)


install_import_hook([*_modules_with_shapes()], f"{__name__}.{check_shapes.__name__}")
