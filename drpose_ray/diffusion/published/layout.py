"""A multi-view model on disk: the Hugging Face folder in which PSHuman and Era3D are published
(docs/facts/i2mv.md, 2.1).

Components are read one by one; ``model_index.json`` names classes of the original projects, which nobody here has to
import. The small twin of ``weights/`` has the same layout, with two additions that the published models do without:
``pixel_patch`` in ``vae/config.json``, and its text embeddings inside the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete, write_json
from drpose_ray.core.files.reading import is_there
from drpose_ray.core.files.weight_files import (
    DIFFUSERS_NAME,
    IGNORED_BY_CLIP,
    TRANSFORMERS_NAMES,
    TWIN_TEXT,
    load_strictly,
    read_model_json,
)
from drpose_ray.diffusion.component_fields import (
    ClipVisionFields,
    NormalizerFields,
    PreprocessorFields,
    VaeFields,
    parse_fields,
)
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.image_encoder import CLIP_MEAN, CLIP_STD, ImageEncoder
from drpose_ray.diffusion.published.model_index import MARKER, MODEL_INDEX, read_index
from drpose_ray.diffusion.published.text_embeddings import load_text_embeddings
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.unet.unet_config import read_unet_config
from drpose_ray.diffusion.vae import ImageVAE, modern_key, read_vae_fields, split_patch

_MAX_IMAGE_SIDE: Final = 4096


def load_i2mv(
    folder: Path,
    *,
    text_embeddings: Path | None = None,
    dtype: torch.dtype = torch.float32,
) -> ImageToMultiView:
    """Load a model folder, frozen.

    Args:
        folder: PSHuman's, Era3D's, or one written by ``save_i2mv``.
        text_embeddings: folder of ``normal_embeds.pt`` and ``clr_embeds.pt`` where the model's own lacks them.
        dtype: of all weights. The published half-precision files stay mapped when it is float16.

    Raises:
        InputError: a missing file, weights that do not fit their config, or embeddings of another number of views.
    """
    read_index(folder)
    refuse_unfitting(folder)
    unet = load_unet(folder, dtype)
    vae, image_encoder = load_encoders(folder, dtype)
    text = load_text_embeddings(text_embeddings or folder, unet.num_views, int(unet.config.cross_attention_dim))
    return ImageToMultiView(unet, vae, image_encoder, load_schedule(folder), text.to(dtype)).freeze()


def load_unet(folder: Path, dtype: torch.dtype = torch.float32) -> MultiViewUNet:
    """The U-Net of a model folder. Raises InputError as ``load_i2mv`` does."""
    unet = outline_unet(folder)
    load_strictly(unet, folder / "unet", dtype)
    return unet


def outline_unet(folder: Path) -> MultiViewUNet:
    """The U-Net of a model folder without its weights, on the meta device."""
    config_file = folder / "unet" / "config.json"
    config = read_model_json(config_file)
    read_unet_config(config, config_file)
    with torch.device("meta"):
        return MultiViewUNet(**config)


def outline_vae(folder: Path) -> ImageVAE:
    """The VAE of a model folder without its weights, on the meta device."""
    config, pixel_patch, _ = _vae_config(folder)
    with torch.device("meta"):
        return ImageVAE(config, pixel_patch)


def outline_image_encoder(folder: Path) -> ImageEncoder:
    """The image encoder of a model folder without its weights, on the meta device."""
    config, fields = _encoder_config(folder)
    _check_preparation(folder, fields)
    noising = _noising_schedule(folder / "image_noising_scheduler" / "scheduler_config.json")
    with torch.device("meta"):
        return ImageEncoder(config, noising)


def refuse_unfitting(folder: Path) -> None:
    """Raise InputError if the components' configurations do not fit each other; no weights are read."""
    file = folder / "unet" / "config.json"
    unet = read_unet_config(read_model_json(file), file)
    (_, pixel_patch, vae), (_, encoder) = _vae_config(folder), _encoder_config(folder)
    needs = {
        "out_channels": (vae.latent_channels, "the VAE's latent_channels"),
        "in_channels": (2 * vae.latent_channels, "the noisy and the input's latents of the VAE"),
        "projection_class_embeddings_input_dim": (2 * encoder.projection_dim, "twice the encoder's projection_dim"),
    }
    for field, (needed, what) in needs.items():
        stated = getattr(unet.stock, field)
        if stated != needed:
            raise InputError(
                "components that do not fit each other", file=file, field=field, value=stated,
                remedy=f"{what} is {needed}; take all components from one model",
            )  # fmt: skip
    side = unet.stock.sample_size
    pixels = side * pixel_patch * 2 ** (len(vae.block_out_channels) - 1)
    if side % unet.side_multiple or pixels > _MAX_IMAGE_SIDE:
        raise InputError(
            "latents of a size that the model cannot draw", file=file, field="sample_size", value=side,
            remedy=f"use a multiple of {unet.side_multiple}, up to {_MAX_IMAGE_SIDE} pixels",
        )  # fmt: skip


def _vae_config(folder: Path) -> tuple[dict[str, Any], int, VaeFields]:
    file = folder / "vae" / "config.json"
    config, pixel_patch = split_patch(read_model_json(file), file)
    return config, pixel_patch, read_vae_fields(config, pixel_patch, file)


def _encoder_config(folder: Path) -> tuple[dict[str, Any], ClipVisionFields]:
    file = folder / "image_encoder" / "config.json"
    config = read_model_json(file)
    return config, parse_fields(ClipVisionFields, config, file)


def load_encoders(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[ImageVAE, ImageEncoder]:
    """VAE and image encoder of a model folder."""
    return load_vae(folder, dtype), _load_image_encoder(folder, dtype)


def load_vae(folder: Path, dtype: torch.dtype = torch.float32) -> ImageVAE:
    """The VAE of a model folder, and nothing else of it."""
    vae = outline_vae(folder)
    load_strictly(vae.autoencoder, folder / "vae", dtype, rename=modern_key)
    return vae


def model_image_size(folder: Path) -> int:
    """Pixels per side of the images that a model folder's model draws; no weights are read."""
    return int(outline_unet(folder).config.sample_size) * outline_vae(folder).pixels_per_latent


def load_schedule(folder: Path) -> NoiseSchedule:
    """The noise schedule of a model folder."""
    return NoiseSchedule.from_file(folder / "scheduler" / "scheduler_config.json")


def save_i2mv(model: ImageToMultiView, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Publish a model as a folder that ``load_i2mv`` reads; ``model_index.json`` last."""
    _save_part(model.unet, model.unet.fields, folder / "unet", DIFFUSERS_NAME, dtype)
    vae_config = {**model.vae.config, "pixel_patch": model.vae.pixel_patch}
    _save_part(model.vae.autoencoder, vae_config, folder / "vae", DIFFUSERS_NAME, dtype)
    encoder = model.image_encoder
    _save_part(encoder.clip, encoder.config, folder / "image_encoder", TRANSFORMERS_NAMES[0], dtype)
    normalizer = folder / "image_normalizer"
    _save_part(encoder.normalizer, {"embedding_dim": encoder.width}, normalizer, DIFFUSERS_NAME, torch.float32)
    write_json(folder / "image_noising_scheduler" / "scheduler_config.json", encoder.noising.config())
    write_json(folder / "scheduler" / "scheduler_config.json", model.schedule.config())
    with replace_when_complete(folder / TWIN_TEXT) as temporary:
        save_file({"text": model.text.to(dtype).contiguous()}, temporary)
    write_json(folder / MARKER, MODEL_INDEX)


def save_unet(unet: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Publish a network's weights as one safetensors file."""
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in unet.state_dict().items()}
    with replace_when_complete(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def _load_image_encoder(folder: Path, dtype: torch.dtype) -> ImageEncoder:
    encoder = outline_image_encoder(folder)
    load_strictly(
        encoder.clip, folder / "image_encoder", dtype, names=TRANSFORMERS_NAMES,
        rename=lambda key: None if key == IGNORED_BY_CLIP else key,
    )  # fmt: skip
    load_strictly(encoder.normalizer, folder / "image_normalizer", dtype)
    encoder.make_constants()
    return encoder


def _check_preparation(folder: Path, clip: ClipVisionFields) -> None:
    """Of the image and of its embedding; what is not stated is what is implemented."""
    file = folder / "image_normalizer" / "config.json"
    if is_there(file):
        width = parse_fields(NormalizerFields, read_model_json(file), file).embedding_dim
        if width != clip.projection_dim:
            raise InputError(
                "components that do not fit each other", file=file, field="embedding_dim", value=width,
                remedy=f"the image encoder's projection_dim asks for {clip.projection_dim}",
            )  # fmt: skip
    file = folder / "feature_extractor" / "preprocessor_config.json"
    if is_there(file):
        parse_fields(PreprocessorFields, read_model_json(file), file).refuse_other(
            clip.image_size, CLIP_MEAN, CLIP_STD, file
        )


def _noising_schedule(file: Path) -> NoiseSchedule:
    """Only its noise levels are used; a DDPM's clipping of samples has no part in adding noise."""
    config = read_model_json(file)
    return NoiseSchedule.from_config({**config, "clip_sample": False, "thresholding": False}, file)


def _save_part(network: nn.Module, config: dict[str, Any], folder: Path, name: str, dtype: torch.dtype) -> None:
    save_unet(network, folder / f"{name}.safetensors", dtype)
    write_json(folder / "config.json", config)
