"""Reading the weights of one component folder in Hugging Face layout: mapped from the file, strict, never unpickled.

A folder holds one file or the parts that an index names, in safetensors or as torch's older ``.bin``. Parameters are
made from the mapped file directly, so a model needs its own size in memory once (or less, while pages are untouched).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.files.reading import is_there, list_files, read_json, read_limited, refusing
from drpose_ray.core.files.torch_files import read_torch_file

DIFFUSERS_NAME: Final = "diffusion_pytorch_model"
TRANSFORMERS_NAMES: Final = ("model", "pytorch_model")
TEXT_FILES: Final = ("normal_embeds.pt", "clr_embeds.pt")
"""The published prompt embeddings, one file per domain, (V, tokens, D); they come with the code, not the weights."""
TWIN_TEXT: Final = "text_embeddings.safetensors"
"""Those of the small twin."""
IGNORED_BY_CLIP: Final = "vision_model.embeddings.position_ids"
"""A constant that older files store."""
# In order of preference: half precision is what PSHuman stores, and it is read the same way.
_ENDINGS: Final = (
    ".safetensors", ".safetensors.index.json", ".fp16.safetensors", ".bin", ".bin.index.json", ".fp16.bin",
)  # fmt: skip

_DTYPES: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_MAX_JSON_BYTES: Final = 16 * 2**20
"""Of a configuration, or of the index of a model of 200,000 tensors."""
_SHORTEST: Final = 1024


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
        InputError: no or unreadable weights, a missing part, keys, shapes or kinds of numbers that do not fit (it lists
            them), or numbers that are not finite in ``dtype``.
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
    extra, misshapen, twice = [], [], []
    seen: set[str] = set()
    fitting: dict[str, torch.Tensor] = {}
    for stored, tensor in tensors:
        key = rename(stored)
        if key is None:
            continue
        if key not in expected:
            extra.append(key)
            continue
        if key in seen:
            twice.append(key)
        seen.add(key)
        wanted = expected[key]
        if wanted.shape != tensor.shape:
            misshapen.append(f"{key} {tuple(tensor.shape)}, not {tuple(wanted.shape)}")
        elif wanted.is_floating_point() and tensor.dtype not in _DTYPES:
            misshapen.append(f"{key} of {tensor.dtype}, not a floating-point number")
        else:
            fitting[key] = _finite(tensor, dtype, key, source) if wanted.is_floating_point() else tensor
    missing = sorted(expected.keys() - seen)
    if missing or extra or misshapen or twice:
        problems = (
            ("missing", missing), ("extra", sorted(extra)), ("other shape or kind", sorted(misshapen)),
            ("given twice", sorted(twice)),
        )  # fmt: skip
        raise InputError(
            "weights do not fit the configured network ("
            + ", ".join(f"{len(keys)} {what}" for what, keys in problems if keys) + ")",
            file=source,
            field="; ".join(f"{what}: {_some(keys)}" for what, keys in problems if keys),
            remedy="use the config.json that belongs to these weights",
        )  # fmt: skip
    network.load_state_dict(fitting, assign=True)


def refuse_nonfinite(tensor: torch.Tensor, source: Path, key: str) -> torch.Tensor:
    """``tensor``. Raises InputError if it holds NaN or infinity: it would come out as black pictures, hours later."""
    finite = tensor.isfinite()
    if not finite.all():
        raise InputError(
            "weights that are not finite", file=source, field=key,
            value=f"{int((~finite).sum())} of {tensor.numel()} numbers",
            remedy="download the file again; if you trained it, go back to a checkpoint from before it diverged",
        )  # fmt: skip
    return tensor


def _finite(tensor: torch.Tensor, dtype: torch.dtype, key: str, source: Path) -> torch.Tensor:
    """``tensor`` in ``dtype``."""
    cast = tensor.to(dtype)
    if cast.isfinite().all():
        return cast
    refuse_nonfinite(tensor, source, key)
    raise InputError(
        f"weights that {str(dtype).removeprefix('torch.')} cannot hold", file=source, field=key,
        value=float(tensor.abs().max()), remedy="choose the precision bfloat16 or float32",
    )  # fmt: skip


def find_weights(folder: Path, names: tuple[str, ...] = (DIFFUSERS_NAME,)) -> list[Path]:
    """The weight files of a component folder. Raises InputError if there are none, or a part of the set is missing."""
    for ending in _ENDINGS:
        for name in names:
            path = folder / f"{name}{ending}"
            if is_there(path):
                return _parts(path) if ending.endswith(".index.json") else [path]
    raise InputError(
        "no weights in the component's folder", file=folder, field=" or ".join(f"{name}.safetensors" for name in names),
        value=sorted(p.name for p in folder.glob("*"))[:8] if folder.is_dir() else None,
        remedy="download the model completely, component by component",
    )  # fmt: skip


def text_files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that hold prompt embeddings: the small twin's one, or the published two."""
    twin = folder / TWIN_TEXT
    return (twin,) if is_there(twin) else tuple(folder / name for name in TEXT_FILES)


def parts_sha256(model: Path, parts: Sequence[str]) -> str:
    """Identifies some component folders of a model: a hash of the names and bytes of all their files."""
    digest = hashlib.sha256()
    for part in parts:
        for path in list_files(model / part, recursive=False):
            digest.update(f"{part}/{path.name}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of one file, mapped. Raises InputError if it cannot be read without unpickling objects."""
    return dict(_tensors([path]))


def _parts(index: Path) -> list[Path]:
    weight_map = read_model_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(
            "the index names no weights", file=index, field="weight_map", remedy="download the index again, completely"
        )
    parts = sorted({str(name) for name in weight_map.values()})
    for part in parts:
        if Path(part).name != part or part.startswith("."):
            raise InputError(
                "a weight index points outside its folder", file=index, field="weight_map", value=part,
                remedy="use the index that came with the weights",
            )  # fmt: skip
        if not is_there(index.parent / part):
            raise InputError(
                "a part of the weights is missing", file=index.parent / part, field="weight_map",
                remedy=f"download all {len(parts)} parts that {index.name} names",
            )  # fmt: skip
    return [index.parent / part for part in parts]


def _tensors(paths: list[Path]) -> Iterator[tuple[str, torch.Tensor]]:
    for path in paths:
        if not is_there(path):
            raise InputError("no such file of weights", file=path, remedy="download the model completely")
        if path.stat().st_size < _SHORTEST:
            read_limited(path, _SHORTEST)  # refuses what Git LFS leaves of a file
        yield from _safe_tensors(path) if path.suffix == ".safetensors" else read_torch_file(path).items()


def _safe_tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with (
        refusing(
            path, "tensors", "cannot read weights", "give a complete safetensors file; download it again",
            (SafetensorError,),
        ),
        safe_open(path, framework="pt") as stored,
    ):  # fmt: skip
        tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - mapped; not a mapping
    yield from tensors.items()


def read_model_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder. Raises InputError if it is missing, too long or not one."""
    if not is_there(path):
        raise InputError("a file of the model is missing", file=path, remedy="give a complete model folder")
    values = read_json(path, _MAX_JSON_BYTES)
    if not isinstance(values, dict):
        raise InputError(
            "not a JSON object", file=path, value=type(values).__name__, remedy="give a complete model folder"
        )
    return values


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
