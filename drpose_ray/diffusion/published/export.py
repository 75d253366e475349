"""A post-trained U-Net in the folder layout it came from, so that the original projects load it unchanged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256, replace_when_complete
from drpose_ray.core.files.reading import list_files
from drpose_ray.core.files.weight_files import DIFFUSERS_NAME, find_weights, load_strictly
from drpose_ray.diffusion.config import Precision
from drpose_ray.diffusion.published.layout import load_encoders, outline_unet, refuse_unfitting
from drpose_ray.diffusion.published.model_index import MARKER, read_index

CARD = "README.md"


def export_finetuned(
    base: Path,
    weights: Mapping[str, torch.Tensor],
    folder: Path,
    precision: Precision,
    card: str,
) -> None:
    """Publish ``weights`` as the U-Net of a model whose other files are those of ``base``, byte for byte.

    What was written is read again before ``model_index.json`` says that it is complete. Linked files and folders of
    the base become files; hidden ones stay behind.

    Args:
        base: the model folder that was post-trained.
        weights: state dict of the U-Net, under the published names.
        folder: of the new model; its ``model_index.json`` is written last.
        precision: of the stored U-Net. float16 is what the original projects store.
        card: text of the model card.

    Raises InputError if the weights are not those of the base's network, float16 cannot hold them, or what was written
    does not load; the folder is then no model.
    """
    _check(base, weights, precision)
    (folder / MARKER).unlink(missing_ok=True)  # an older export's: it is no longer complete
    dtype = getattr(torch, precision)
    copied = [path for path in list_files(base) if _is_copied(path.relative_to(base))]
    for source in copied:
        _copy(source, folder / source.relative_to(base))
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in weights.items()}
    with replace_when_complete(folder / "unet" / f"{DIFFUSERS_NAME}.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    _copy(base / "unet" / "config.json", folder / "unet" / "config.json")
    with replace_when_complete(folder / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")
    _verify(base, copied, tensors, folder)
    _copy(base / MARKER, folder / MARKER)


def _is_copied(relative: Path) -> bool:
    return relative.parts[0] != "unet" and str(relative) not in (MARKER, CARD)


def _copy(source: Path, target: Path) -> None:
    with replace_when_complete(target) as temporary:
        shutil.copyfile(source, temporary)


def _verify(base: Path, copied: list[Path], tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Raise InputError unless the folder holds a whole model: the trained tensors, and the base's other files."""
    for source in copied:
        written = folder / source.relative_to(base)
        if file_sha256(written) != file_sha256(source):
            raise InputError(
                "a copied file is not the base's", file=written, remedy="check the disk, and that nobody else writes "
                "into this folder; then export again",
            )  # fmt: skip
    if [path.name for path in find_weights(folder / "unet")] != [f"{DIFFUSERS_NAME}.safetensors"]:
        raise InputError(
            "other weights lie beside the exported ones", file=folder / "unet", remedy="export into a folder of its own"
        )
    unet = outline_unet(folder)
    load_strictly(unet, folder / "unet", next(iter(tensors.values())).dtype)
    for name, value in unet.state_dict().items():
        if not torch.equal(value, tensors[name]):
            raise InputError(
                "a tensor did not arrive as it was", file=folder / "unet", field=name,
                remedy="check the disk; then export again",
            )  # fmt: skip
    refuse_unfitting(folder)
    load_encoders(folder)


def _check(base: Path, weights: Mapping[str, torch.Tensor], precision: Precision) -> None:
    read_index(base)
    expected = outline_unet(base).state_dict()
    wrong = sorted(expected.keys() ^ weights.keys())
    wrong += [name for name in expected.keys() & weights.keys() if expected[name].shape != weights[name].shape]
    if wrong:
        raise InputError(
            "the trained weights are not those of the base's U-Net", file=base, field=", ".join(wrong[:8]),
            value=f"{len(wrong)} tensors", remedy="export with the model folder that was post-trained",
        )  # fmt: skip
    for name, value in weights.items():
        if not value.to(getattr(torch, precision)).isfinite().all():
            raise InputError(
                f"the weights do not fit {precision}", field=name, value=float(value.abs().max()),
                remedy="choose bfloat16 or float32; NaN means that the training diverged",
            )  # fmt: skip
