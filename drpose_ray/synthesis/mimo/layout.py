"""MIMO on disk: the folder in which its weights are published (docs/facts/mimo.md, 1.6), read strictly and mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there
from drpose_ray.core.files.weight_files import (
    IGNORED_BY_CLIP,
    TRANSFORMERS_NAMES,
    assign_strictly,
    find_weights,
    load_strictly,
    read_model_json,
    read_tensors,
)
from drpose_ray.diffusion.component_fields import ClipVisionFields, parse_fields
from drpose_ray.diffusion.image_encoder import make_clip, make_positions
from drpose_ray.diffusion.vae import ImageVAE, modern_key, read_vae_fields
from drpose_ray.synthesis.mimo.networks.architecture import LATENT_CHANNELS, read_unet_fields
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.model import MimoModel
from drpose_ray.synthesis.mimo.networks.pose_guider import PoseGuider
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet

UNET_CONFIG: Final = Path("stable-diffusion-v1-5/unet/config.json")
"""Only the configuration: with both of MIMO's files, none of Stable Diffusion's weights are left."""
DENOISER_FILES: Final = ("motion_module.pth", "denoising_unet.pth")
"""In the order in which they are merged: where both have a tensor, the last one's is used."""
REFERENCE_FILE: Final = "reference_unet.pth"
POSE_GUIDER_FILE: Final = "pose_guider.pth"
VAE_FOLDER: Final = "sd-vae-ft-mse"
IMAGE_ENCODER_FOLDER: Final = "image_encoder"


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
    denoiser, reference, vae, clip = outline_mimo(folder)
    origins = _load_denoiser(denoiser, folder, dtype)
    origins += _load_file(reference, folder / REFERENCE_FILE, "reference", dtype)

    guider_file = folder / POSE_GUIDER_FILE
    with torch.device("meta"):
        guider = PoseGuider.of_weights(_plain(guider_file), guider_file)
    origins += _load_file(guider, guider_file, "pose guider", dtype)

    origins += _load_component(vae.autoencoder, folder / VAE_FOLDER, "VAE", dtype, rename=modern_key)
    origins += _load_component(
        clip, folder / IMAGE_ENCODER_FOLDER, "image encoder", dtype, names=TRANSFORMERS_NAMES,
        rename=lambda key: None if key == IGNORED_BY_CLIP else key,
    )  # fmt: skip
    make_positions(clip)
    return MimoModel(denoiser, reference, guider, vae, clip).freeze(), tuple(origins)


def outline_mimo(folder: Path) -> tuple[DenoisingUNet, ReferenceUNet, ImageVAE, Any]:
    """Denoiser, reference U-Net, VAE and image encoder without their weights, on the meta device.

    Raises InputError for a configuration that is missing, or has a field that does not fit.
    """
    config_file = folder / UNET_CONFIG
    published = read_model_json(config_file)
    components = _read_components(folder, read_unet_fields(published, config_file))
    with torch.device("meta"):
        return (
            DenoisingUNet(published), ReferenceUNet(published), ImageVAE(components[VAE_FOLDER], pixel_patch=1),
            make_clip(components[IMAGE_ENCODER_FOLDER]),
        )  # fmt: skip


def _read_components(folder: Path, unet: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The configurations of VAE and image encoder. Raises InputError if they do not fit the U-Nets'."""
    files = {name: folder / name / "config.json" for name in (VAE_FOLDER, IMAGE_ENCODER_FOLDER)}
    configs = {name: read_model_json(file) for name, file in files.items()}
    vae = read_vae_fields(configs[VAE_FOLDER], file=files[VAE_FOLDER])
    clip = parse_fields(ClipVisionFields, configs[IMAGE_ENCODER_FOLDER], files[IMAGE_ENCODER_FOLDER])
    for name, field, stated, needed in (
        (VAE_FOLDER, "latent_channels", vae.latent_channels, LATENT_CHANNELS),
        (IMAGE_ENCODER_FOLDER, "projection_dim", clip.projection_dim, unet["cross_attention_dim"]),
    ):
        if stated != needed:
            raise InputError(
                "components that do not fit each other", file=files[name], field=field, value=stated,
                remedy=f"the U-Nets need {needed}; take all components from one model",
            )  # fmt: skip
    return configs


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
        if not is_there(file):
            raise InputError(
                "a file of the published folder is missing", file=file,
                remedy="download all of MIMO's pretrained_weights",
            )  # fmt: skip
    return [*_denoiser_files(folder)[:-1], *needed]


def _denoiser_files(folder: Path) -> list[Path]:
    """Published in two layouts: temporal weights in a file of their own, or all of them in the denoiser's."""
    motion, everything = (folder / name for name in DENOISER_FILES)
    return [motion, everything] if is_there(motion) else [everything]


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
