"""Tensors from torch's own ``.bin``, ``.pt`` and ``.pth`` files: looked at as an archive, never unpickled at large."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import refusing

_MAX_MEMBERS: Final = 200_000
_MAX_TABLE_BYTES: Final = 64 * 2**20
"""Of the table that names the tensors; the largest model here needs a quarter of one."""


def read_torch_file(path: Path) -> dict[str, torch.Tensor]:
    """The table of tensors in ``path``, mapped from it; a lone tensor is under ``""``.

    Raises InputError if it holds more than plain tensors, members that would have to be unpacked, or a tensor that
    is larger than what the file stores of it.
    """
    _check_archive(path)
    with refusing(path, "tensors", "cannot read weights", "download the file again, completely"):
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:
            if type(error).__name__ != "UnpicklingError":  # torch's word for it; nothing here imports pickle
                raise
            raise InputError(
                "the file holds more than tensors, and would have to be executed to be read; it was not", file=path,
                remedy="convert it to safetensors where you trust it",
            ) from error  # fmt: skip
    if isinstance(stored, torch.Tensor):
        stored = {"": stored}
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):
        stored = stored["state_dict"]  # a training checkpoint: the weights, and numbers about the training
    if not isinstance(stored, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in stored.items()
    ):
        raise InputError(
            "not a table of tensors", file=path, value=type(stored).__name__, remedy="give the weights of one component"
        )
    return {name: _plain(value, name, path) for name, value in stored.items()}


def _check_archive(path: Path) -> None:
    """Raise InputError unless the members are stored as they are, and one small table names them."""
    with (
        refusing(path, "tensors", "cannot read weights", "download the file again, completely; torch from 1.6 on "
                 "writes such files", (zipfile.LargeZipFile, NotImplementedError)),
        zipfile.ZipFile(path) as archive,
    ):  # fmt: skip
        members = archive.infolist()
    tables = [member for member in members if member.filename.endswith("data.pkl")]
    names = {member.filename for member in members}
    problem = None
    if len(members) > _MAX_MEMBERS or len(names) != len(members):
        problem = f"{len(members)} members of {len(names)} names"
    elif any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
        problem = "packed members"
    elif len(tables) != 1 or tables[0].file_size > _MAX_TABLE_BYTES:
        problem = f"{len(tables)} tables of {sum(table.file_size for table in tables)} bytes"
    elif any("code" in Path(name).parts or name.endswith("constants.pkl") for name in names):
        problem = "a program (TorchScript)"
    if problem:
        raise InputError(
            f"cannot read weights (an archive of another kind: {problem})", file=path, field="tensors",
            remedy="give a file of tensors that torch.save wrote",
        )  # fmt: skip


def _plain(tensor: torch.Tensor, name: str, path: Path) -> torch.Tensor:
    strange = (
        type(tensor) not in (torch.Tensor, torch.nn.Parameter)
        or tensor.layout is not torch.strided
        or tensor.device.type != "cpu"
        or tensor.is_quantized
        or tensor.is_conj()
        or tensor.is_neg()
    )
    if strange or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(
            "not a plain tensor of its own numbers", file=path, field=name[:200], value=str(tuple(tensor.shape))[:60],
            remedy="convert the file to safetensors where you trust it",
        )  # fmt: skip
    return tensor.detach()
