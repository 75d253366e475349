"""Files of tensors by sample, as stored latents and conditions are: nothing is believed before it was compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.reading import is_there, refusing

FLOATS: Final = (torch.float16, torch.bfloat16, torch.float32)
_MAX_SAMPLES_BYTES: Final = 64 * 2**20
"""Of the list of names; a shard has a few hundred."""

Axes = tuple[int | None, ...]
"""A shape behind the samples' axis; None where any length will do."""


def write_samples(path: Path, sample_ids: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> None:
    """Publish tensors whose first axis is the samples'; equal ones give equal bytes."""
    with replace_when_complete(path) as temporary:
        save_file(
            {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
            temporary,
            # A single entry: the order of several in the file would change from run to run.
            metadata={"samples": json.dumps(list(sample_ids))},
        )


def refuse_nonfinite_samples(
    sample_ids: Sequence[str], tensor: torch.Tensor, path: Path, problem: str, remedy: str
) -> None:
    """Raise InputError, naming ``path``, for the first sample of ``tensor`` (n, …) that holds NaN or infinity."""
    for sample, values in zip(sample_ids, tensor, strict=True):
        if not values.isfinite().all():
            raise InputError(f"{problem} that are not finite", file=path, field=sample, remedy=remedy)


def read_samples(
    folder: Path, name: str, expected: Mapping[str, tuple[Axes, tuple[torch.dtype, ...]]], remedy: str
) -> tuple[tuple[str, ...], dict[str, torch.Tensor]]:
    """The sample ids of a safetensors file, in order, and its tensors, mapped.

    Args:
        name: of the file in ``folder``, from the folder's record.
        expected: each tensor's axes behind the first, which is the samples', and the kinds of numbers it may have.

    Raises InputError if the file is missing or torn, its list of samples is none, or a tensor is missing or different.
    """
    path = folder / name
    if Path(name).name != name or name.startswith("."):
        raise InputError("a file outside the folder", file=folder, field="files", value=name[:200], remedy=remedy)
    if not is_there(path):
        raise InputError("a file that the folder names is missing", file=path, remedy=remedy)
    with (
        refusing(path, "tensors", "not a file of tensors by sample", remedy, (SafetensorError,)),
        safe_open(path, framework="pt") as stored,
    ):
        listed = (stored.metadata() or {}).get("samples", "")
        if len(listed) > _MAX_SAMPLES_BYTES:
            raise InputError("a list of samples without end", file=path, field="samples", remedy=remedy)
        samples = json.loads(listed)
        tensors = {key: stored.get_tensor(key) for key in stored.keys() if key in expected}  # noqa: SIM118 - no mapping
    if not isinstance(samples, list) or not all(isinstance(sample, str) for sample in samples):
        raise InputError("not a list of sample ids", file=path, field="samples", remedy=remedy)
    if len(set(samples)) != len(samples):
        raise InputError("a sample is listed twice", file=path, field="samples", remedy=remedy)
    for key, (axes, dtypes) in expected.items():
        if key not in tensors:
            raise InputError("a tensor is missing", file=path, field=key, remedy=remedy)
        shape, wanted = tuple(tensors[key].shape), (len(samples), *axes)
        if len(shape) != len(wanted) or any(n is not None and n != m for n, m in zip(wanted, shape, strict=True)):
            raise InputError(
                "a tensor of another shape than its folder says", file=path, field=key, value=shape, remedy=remedy
            )
        if tensors[key].dtype not in dtypes:
            raise InputError(
                "a tensor of another kind of numbers", file=path, field=key, value=str(tensors[key].dtype),
                remedy=remedy,
            )  # fmt: skip
    return tuple(samples), tensors
