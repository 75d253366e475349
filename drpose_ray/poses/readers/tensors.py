"""Tensors from a ``.pt`` file of any origin: what PyTorch would have to run to rebuild it is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_limited, refusing
from drpose_ray.poses.readers.budget import MAX_TENSOR_BYTES

_REMEDY: Final = "save a dictionary of tensors with torch.save, or the arrays as an .npz"


def load_tensors(file: Path, names: Collection[str], inner: str) -> dict[str, NDArray[Any]]:
    """Those of ``names`` that are tensors or numbers of the stored dictionary, or of its entry ``inner`` if it has one.

    Numbers, such as a rate, may also lie beside ``inner``.

    Raises:
        InputError: what is there is no dictionary of tensors in PyTorch's zip format within `MAX_TENSOR_BYTES`.
        OSError: the disk failed.
    """
    import torch  # takes seconds, which other motions should not pay

    data = read_limited(file, MAX_TENSOR_BYTES)
    # (What torch raises for objects that are no tensors is an error of pickle's own kind.)
    with refusing(file, "tensors", "cannot be read as plain tensors", _REMEDY, also=(Exception,)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > MAX_TENSOR_BYTES:
            raise ValueError(f"it unpacks to {unpacked} bytes, more than {MAX_TENSOR_BYTES}")
        stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        fields = stored.get(inner, stored) if isinstance(stored, Mapping) else None
        if not isinstance(fields, Mapping):
            raise TypeError("it holds no dictionary")
        beside = {name: value for name, value in stored.items() if isinstance(value, int | float)}
        values = {name: value for name in names if (value := fields.get(name, beside.get(name))) is not None}
        tensors = {name: _plain(value, name, file) for name, value in values.items() if isinstance(value, torch.Tensor)}
        return tensors | {name: np.array(value) for name, value in values.items() if isinstance(value, int | float)}


def _plain(tensor: Any, name: str, file: Path) -> NDArray[Any]:
    """A tensor as an array of its own; a small storage may be viewed as a huge tensor, so its size comes first."""
    if tensor.numel() * 8 > MAX_TENSOR_BYTES or str(tensor.layout) != "torch.strided" or tensor.is_quantized:
        raise InputError(
            "no plain tensor, or a huge one", file=file, field=name, value=str(tuple(tensor.shape)), remedy=_REMEDY
        )
    array: NDArray[Any] = np.array((tensor.detach().double() if tensor.is_floating_point() else tensor).numpy())
    return array
