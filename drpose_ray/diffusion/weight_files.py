"""Reading the weights of one component folder in Hugging Face layout: mapped from the file, strict, never unpickled.

A folder holds one file or the parts that an index names, in safetensors or as torch's older ``.bin``. Parameters are
made from the mapped file directly, so a model needs its own size in memory once (or less, while pages are untouched).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from drpose_ray.errors import InputError
from drpose_ray.publish import file_sha256

DIFFUSERS_NAME: Final = "diffusion_pytorch_model"
TRANSFORMERS_NAMES: Final = ("model", "pytorch_model")
TEXT_FILES: Final = ("normal_embeds.pt", "clr_embeds.pt")
"""The published prompt embeddings, one file per domain, (V, tokens, D); they come with the code, not the weights."""
TWIN_TEXT: Final = "text_embeddings.safetensors"
"""Those of the small twin."""
# In order of preference: half precision is what PSHuman stores, and it is read the same way.
_ENDINGS: Final = (
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".bin", ".bin.index.json", ".fp16.bin",
)  # fmt: skip


def load_strictly(
    network: nn.Module,
    source: Path,
    dtype: torch.dtype,
    *,
    names: tuple[str, ...] = (DIFFUSERS_NAME,),
    rename: Callable[[str], str | None] = lambda key: key,
) -> None:
    """Give ``network`` (which may be on the meta device) the tensors of ``source``, in ``dtype``.

    Args:
        source: a component's folder, or one weight file.
        names: stems that a weight file of this kind of component may have.
        rename: a stored key to the network's own, or None for one without a counterpart.

    Raises:
        InputError: no or unreadable weights, a missing part, or keys and shapes that do not fit; it lists them.
    """
    assign_strictly(
        network, _tensors(find_weights(source, names) if source.is_dir() else [source]), source, dtype, rename
    )


def assign_strictly(
    network: nn.Module,
    tensors: Iterable[tuple[str, torch.Tensor]],
    source: Path,
    dtype: torch.dtype,
    rename: Callable[[str], str | None] = lambda key: key,
) -> None:
    """``load_strictly`` for named tensors that were read already; errors name ``source``."""
    expected = network.state_dict()
    extra, misshapen = [], []
    fitting: dict[str, torch.Tensor] = {}
    for stored, tensor in tensors:
        key = rename(stored)
        if key is None:
            continue
        if key not in expected:
            extra.append(key)
            continue
        if expected[key].shape != tensor.shape:
            misshapen.append(f"{key} {tuple(tensor.shape)}, not {tuple(expected[key].shape)}")
        fitting[key] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    missing = sorted(expected.keys() - fitting.keys())
    if missing or extra or misshapen:
        problems = (("missing", missing), ("extra", sorted(extra)), ("other shape", sorted(misshapen)))
        raise InputError(
            "weights do not fit the configured network ("
            + ", ".join(f"{len(keys)} {what}" for what, keys in problems if keys) + ")",
            file=source,
            field="; ".join(f"{what}: {_some(keys)}" for what, keys in problems if keys),
            remedy="use the config.json that belongs to these weights",
        )  # fmt: skip
    network.load_state_dict(fitting, assign=True)


def find_weights(folder: Path, names: tuple[str, ...] = (DIFFUSERS_NAME,)) -> list[Path]:
    """The weight files of a component folder. Raises InputError if there are none, or a part of the set is missing."""
    for ending in _ENDINGS:
        for name in names:
            path = folder / f"{name}{ending}"
            if path.is_file():
                return _parts(path) if ending.endswith(".index.json") else [path]
    raise InputError(
        "no weights in the component's folder", file=folder, field=" or ".join(f"{name}.safetensors" for name in names),
        value=sorted(p.name for p in folder.glob("*"))[:8] if folder.is_dir() else None,
        remedy="download the model completely, component by component",
    )  # fmt: skip


def text_files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that hold prompt embeddings: the small twin's one, or the published two."""
    twin = folder / TWIN_TEXT
    return (twin,) if twin.is_file() else tuple(folder / name for name in TEXT_FILES)


def parts_sha256(model: Path, parts: Sequence[str]) -> str:
    """Identifies some component folders of a model: a hash of the names and bytes of all their files."""
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted((model / part).glob("*")):
            digest.update(f"{part}/{path.name}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of one file, mapped. Raises InputError if it cannot be read without unpickling objects."""
    return dict(_tensors([path]))


def _parts(index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(
            "the index names no weights", file=index, field="weight_map", remedy="download the index again, completely"
        )
    parts = sorted({str(name) for name in weight_map.values()})
    for part in parts:
        if Path(part).name != part:
            raise InputError(
                "a weight index points outside its folder", file=index, field="weight_map", value=part,
                remedy="use the index that came with the weights",
            )  # fmt: skip
        if not (index.parent / part).is_file():
            raise InputError(
                "a part of the weights is missing", file=index.parent / part, field="weight_map",
                remedy=f"download all {len(parts)} parts that {index.name} names",
            )  # fmt: skip
    return [index.parent / part for part in parts]


def _tensors(paths: list[Path]) -> Iterator[tuple[str, torch.Tensor]]:
    for path in paths:
        yield from _safe_tensors(path) if path.suffix == ".safetensors" else _torch_tensors(path)


def _safe_tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as stored:
            for key in stored.keys():  # noqa: SIM118 - not a mapping
                yield key, stored.get_tensor(key)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"cannot read weights ({error})", file=path, remedy="give a complete safetensors file; download it again"
        ) from error


def _torch_tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":
            raise InputError(
                "the file holds more than tensors, and would have to be executed to be read; it was not", file=path,
                remedy="convert it to safetensors where you trust it",
            ) from error  # fmt: skip
        if not isinstance(error, (OSError, RuntimeError, EOFError)):
            raise
        raise InputError(
            f"cannot read weights ({error})", file=path, remedy="download the file again, completely"
        ) from error
    if isinstance(stored, torch.Tensor):
        stored = {"": stored}
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):
        stored = stored["state_dict"]  # a training checkpoint: the weights, and numbers about the training
    if not isinstance(stored, dict) or not all(isinstance(value, torch.Tensor) for value in stored.values()):
        raise InputError(
            "not a table of tensors", file=path, value=type(stored).__name__, remedy="give the weights of one component"
        )
    yield from stored.items()


def read_json(path: Path) -> dict[str, object]:
    """A JSON object. Raises InputError if it is missing or not one."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read model configuration ({error})", file=path, remedy="give a complete model folder"
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            "not a JSON object", file=path, value=type(values).__name__, remedy="give a complete model folder"
        )
    return values


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
