"""A post-trained U-Net in the folder layout it came from, so that the original projects load it unchanged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from drpose_ray.diffusion.config import Precision
from drpose_ray.diffusion.layout import MARKER, outline_unet
from drpose_ray.diffusion.weight_files import DIFFUSERS_NAME, read_json
from drpose_ray.errors import InputError
from drpose_ray.publish import replace_when_complete

CARD = "README.md"


def export_finetuned(
    base: Path,
    weights: Mapping[str, torch.Tensor],
    folder: Path,
    precision: Precision,
    card: str,
) -> None:
    """Publish ``weights`` as the U-Net of a model whose other files are those of ``base``, byte for byte.

    Args:
        base: the model folder that was post-trained.
        weights: state dict of the U-Net, under the published names.
        folder: of the new model; its ``model_index.json`` is written last.
        precision: of the stored U-Net. float16 is what the original projects store.
        card: text of the model card.

    Raises InputError if the weights are not those of the base's network, or float16 cannot hold them.
    """
    _check(base, weights, precision)
    dtype = getattr(torch, precision)
    for source in sorted(path for path in base.rglob("*") if path.is_file()):
        relative = source.relative_to(base)
        if relative.parts[0] == "unet" or str(relative) in (MARKER, CARD) or relative.parts[0].startswith("."):
            continue
        with replace_when_complete(folder / relative) as temporary:
            shutil.copyfile(source, temporary)
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in weights.items()}
    with replace_when_complete(folder / "unet" / f"{DIFFUSERS_NAME}.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    with replace_when_complete(folder / "unet" / "config.json") as temporary:
        shutil.copyfile(base / "unet" / "config.json", temporary)
    with replace_when_complete(folder / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")
    with replace_when_complete(folder / MARKER) as temporary:
        shutil.copyfile(base / MARKER, temporary)


def _check(base: Path, weights: Mapping[str, torch.Tensor], precision: Precision) -> None:
    read_json(base / MARKER)
    expected = outline_unet(base).state_dict()
    wrong = sorted(expected.keys() ^ weights.keys())
    wrong += [name for name in expected.keys() & weights.keys() if expected[name].shape != weights[name].shape]
    if wrong:
        raise InputError(
            "the trained weights are not those of the base's U-Net", file=base, field=", ".join(wrong[:8]),
            value=f"{len(wrong)} tensors", remedy="export with the model folder that was post-trained",
        )  # fmt: skip
    largest = max((float(value.abs().max()), name) for name, value in weights.items())
    if not largest[0] < torch.finfo(getattr(torch, precision)).max:  # also refuses NaN
        raise InputError(
            f"the weights do not fit {precision}", field=largest[1], value=largest[0],
            remedy="choose bfloat16 or float32; NaN means that the training diverged",
        )  # fmt: skip
