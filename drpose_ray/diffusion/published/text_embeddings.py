"""A model's fixed prompt embeddings: what tells its network which view and domain an image is
(docs/facts/i2mv.md, 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there
from drpose_ray.core.files.weight_files import TEXT_FILES, TWIN_TEXT, read_tensors, refuse_nonfinite
from drpose_ray.diffusion.component_fields import brief

_MAX_TOKENS: Final = 512


def load_text_embeddings(folder: Path, num_views: int, width: int) -> torch.Tensor:
    """The prompt embeddings (M, V, tokens, D) of a folder. Raises InputError if their shape is another model's."""
    twin = folder / TWIN_TEXT
    if is_there(twin):
        file, text = twin, _only(read_tensors(twin), twin)
    else:
        for name in TEXT_FILES:
            if not is_there(folder / name):
                raise InputError(
                    "no prompt embeddings", file=folder / name, field="text_embeddings",
                    remedy="name the folder that holds normal_embeds.pt and clr_embeds.pt of the original code",
                )  # fmt: skip
        file = folder / TEXT_FILES[0]
        domains = [_only(read_tensors(folder / name), folder / name) for name in TEXT_FILES]
        if domains[0].shape != domains[1].shape:
            raise InputError(
                "prompt embeddings of two sizes", file=file, field="shape",
                value=[tuple(domain.shape) for domain in domains], remedy="take both files from the same model",
            )  # fmt: skip
        text = torch.stack(domains)
    if text.ndim != 4 or text.shape[:2] != (2, num_views) or text.shape[3] != width:
        raise InputError(
            f"prompt embeddings of another model: this one has {num_views} views and {width} features", file=file,
            field="shape (domain, view, token, feature)", value=tuple(text.shape),
            remedy="use the embeddings that belong to these weights (six views for Era3D, seven for PSHuman)",
        )  # fmt: skip
    if not 1 <= text.shape[2] <= _MAX_TOKENS:
        raise InputError(
            "prompt embeddings without a sensible number of tokens", file=file, field="tokens", value=text.shape[2],
            remedy=f"the published ones have 77; {_MAX_TOKENS} are the most",
        )  # fmt: skip
    return refuse_nonfinite(text, file, "text")


def _only(tensors: Mapping[str, torch.Tensor], file: Path) -> torch.Tensor:
    """The one tensor of a file of embeddings."""
    (tensor,) = tensors.values() if len(tensors) == 1 else (None,)
    if tensor is None or tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise InputError(
            "not a file of prompt embeddings", file=file, field="tensors", value=brief(sorted(tensors)),
            remedy="give one tensor of floating-point numbers",
        )  # fmt: skip
    return tensor
