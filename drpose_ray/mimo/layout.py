"""MIMO on disk: the folder in which its weights are published (MIMO facts, 1.6), read strictly and mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from drpose_ray.diffusion.vae import ImageVAE, modern_key
from drpose_ray.diffusion.weight_files import (
    TRANSFORMERS_NAMES,
    assign_strictly,
    find_weights,
    load_strictly,
    read_json,
    read_tensors,
)
from drpose_ray.errors import InputError
from drpose_ray.mimo.architecture import read_unet_fields
from drpose_ray.mimo.denoiser import DenoisingUNet
from drpose_ray.mimo.model import MimoModel
from drpose_ray.mimo.pose_guider import PoseGuider
from drpose_ray.mimo.reference import ReferenceUNet
from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402 - needs the operators declared

UNET_CONFIG: Final = Path("stable-diffusion-v1-5/unet/config.json")
"""Only the configuration: with both of MIMO's files, none of Stable Diffusion's weights are left."""
DENOISER_FILES: Final = ("motion_module.pth", "denoising_unet.pth")
"""In the order in which they are merged: where both have a tensor, the last one's is used."""
REFERENCE_FILE: Final = "reference_unet.pth"
POSE_GUIDER_FILE: Final = "pose_guider.pth"
VAE_FOLDER: Final = "sd-vae-ft-mse"
IMAGE_ENCODER_FOLDER: Final = "image_encoder"
_IGNORED_BY_CLIP: Final = "vision_model.embeddings.position_ids"  # a constant that older files store


@dataclass(frozen=True)
class Origin:
    """Which file a group of tensors came from."""

    group: str
    file: str
    tensors: int


def load_mimo(folder: Path, dtype: torch.dtype = torch.float16) -> tuple[MimoModel, tuple[Origin, ...]]:
    """The frozen model of a published folder, and the origin of its tensors.

    Args:
        folder: ``pretrained_weights`` of the original.
        dtype: of all weights and position tables. The files are mapped and cast tensor by tensor.

    Raises:
        InputError: a missing or unreadable file, or keys and shapes other than exactly those expected; it lists them.
    """
    files_of(folder)  # nothing is read of an incomplete folder
    config_file = folder / UNET_CONFIG
    published = read_json(config_file)
    read_unet_fields(published, config_file)
    with torch.device("meta"):
        denoiser, reference = DenoisingUNet(published), ReferenceUNet(published)
    origins = _load_denoiser(denoiser, folder, dtype)
    origins += _load_file(reference, folder / REFERENCE_FILE, "reference", dtype)

    guider_file = folder / POSE_GUIDER_FILE
    with torch.device("meta"):
        guider = PoseGuider.of_weights(_plain(guider_file))
    origins += _load_file(guider, guider_file, "pose guider", dtype)

    with torch.device("meta"):
        vae = ImageVAE(read_json(folder / VAE_FOLDER / "config.json"), pixel_patch=1)
        clip = CLIPVisionModelWithProjection(
            CLIPVisionConfig(**read_json(folder / IMAGE_ENCODER_FOLDER / "config.json"))
        )
    origins += _load_component(vae.autoencoder, folder / VAE_FOLDER, "VAE", dtype, rename=modern_key)
    origins += _load_component(
        clip, folder / IMAGE_ENCODER_FOLDER, "image encoder", dtype, names=TRANSFORMERS_NAMES,
        rename=lambda key: None if key == _IGNORED_BY_CLIP else key,
    )  # fmt: skip
    embeddings = clip.vision_model.embeddings
    # No file holds it, and construction on the meta device left it empty.
    positions = torch.arange(embeddings.num_positions).expand((1, -1))
    embeddings.register_buffer("position_ids", positions, persistent=False)
    return MimoModel(denoiser, reference, guider, vae, clip).freeze(), tuple(origins)


def files_of(folder: Path) -> list[Path]:
    """The files that ``load_mimo`` reads. Raises InputError, naming the first that is missing."""
    vae, encoder = folder / VAE_FOLDER, folder / IMAGE_ENCODER_FOLDER
    needed = [
        folder / UNET_CONFIG,
        *(folder / name for name in (DENOISER_FILES[-1], REFERENCE_FILE, POSE_GUIDER_FILE)),
        *(vae / "config.json", *find_weights(vae)),
        *(encoder / "config.json", *find_weights(encoder, TRANSFORMERS_NAMES)),
    ]
    for file in needed:
        if not file.is_file():
            raise InputError(
                "a file of the published folder is missing", file=file,
                remedy="download all of MIMO's pretrained_weights",
            )  # fmt: skip
    return [*_denoiser_files(folder)[:-1], *needed]


def _denoiser_files(folder: Path) -> list[Path]:
    """Published in two layouts: temporal weights in a file of their own, or all of them in the denoiser's."""
    motion, everything = (folder / name for name in DENOISER_FILES)
    return [motion, everything] if motion.is_file() else [everything]


def _load_denoiser(denoiser: DenoisingUNet, folder: Path, dtype: torch.dtype) -> list[Origin]:
    merged: dict[str, torch.Tensor] = {}
    source: dict[str, str] = {}
    for file in _denoiser_files(folder):
        tensors = _plain(file)
        merged |= tensors
        source |= dict.fromkeys(tensors, file.name)
    assign_strictly(denoiser, merged.items(), folder / DENOISER_FILES[-1], dtype)
    groups = {key: "temporal" if ".motion_modules." in key else "spatial" for key in source}
    found = sorted({(groups[key], source[key]) for key in source})
    return [
        Origin(f"denoiser, {group}", name, sum(groups[key] == group and source[key] == name for key in source))
        for group, name in found
    ]


def _load_file(network: nn.Module, file: Path, group: str, dtype: torch.dtype) -> list[Origin]:
    tensors = _plain(file)
    assign_strictly(network, tensors.items(), file, dtype)
    return [Origin(group, file.name, len(tensors))]


def _load_component(
    network: nn.Module,
    folder: Path,
    group: str,
    dtype: torch.dtype,
    *,
    rename: Callable[[str], str | None],
    names: tuple[str, ...] | None = None,
) -> list[Origin]:
    known: dict[str, Any] = {} if names is None else {"names": names}
    files = find_weights(folder, **known)
    load_strictly(network, folder, dtype, rename=rename, **known)
    return [Origin(group, f"{folder.name}/{files[0].name}", len(network.state_dict()))]


def _plain(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of one ``.pth``, without the prefix that data-parallel training leaves."""
    return {key.removeprefix("module."): tensor for key, tensor in read_tensors(file).items()}
