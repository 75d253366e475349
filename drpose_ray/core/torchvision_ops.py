"""Lets a torchvision wheel built for CUDA be imported beside a CPU build of torch.

The wheel on PyPI is a CUDA build. Beside a CPU torch its compiled operators do not load, and ``import torchvision``
stops where it attaches shape rules to ``nms`` and ``qnms``. Nothing here runs those operators; diffusers, transformers
and lpips only need the import to succeed, so the missing names are declared without an implementation.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def define_missing_operators() -> None:
    """Declare torchvision's operators if its compiled ones do not load here.

    Call it before importing lpips, diffusers or transformers. Does nothing where torchvision and torch belong
    together, where torchvision is not installed, and when called again.
    """
    if _are_defined() or _load_compiled():
        return
    for name, schema in _SCHEMAS.items():
        torch.library.define(f"torchvision::{name}", schema)


def _are_defined() -> bool:
    return all(hasattr(torch.ops.torchvision, name) for name in _SCHEMAS)


def _load_compiled() -> bool:
    """Load the wheel's own operators, as importing torchvision would; False where they do not fit this torch."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return True
    try:
        torch.ops.load_library(str(Path(package.origin).with_name("_C.so")))
    except OSError:
        return False
    return _are_defined()
