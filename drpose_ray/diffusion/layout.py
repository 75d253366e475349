"""A multi-view model on disk: the Hugging Face folder in which PSHuman and Era3D are published (i2mv facts, 2.1).

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

from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet_config import read_unet_config
from drpose_ray.diffusion.vae import ImageVAE, modern_key
from drpose_ray.diffusion.weight_files import (
    DIFFUSERS_NAME,
    TEXT_FILES,
    TRANSFORMERS_NAMES,
    TWIN_TEXT,
    load_strictly,
    read_json,
    read_tensors,
)
from drpose_ray.errors import InputError
from drpose_ray.publish import replace_when_complete, write_json

MARKER: Final = "model_index.json"
"""Written last: a folder that has it is complete."""
_IGNORED_BY_CLIP = "vision_model.embeddings.position_ids"  # a constant that older files store


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
    if not (folder / MARKER).is_file():
        raise InputError(
            "not a model folder", file=folder / MARKER,
            remedy="name a folder in Hugging Face layout; model_index.json marks it complete",
        )  # fmt: skip
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
    config = read_json(config_file)
    read_unet_config(config, config_file)
    with torch.device("meta"):
        return MultiViewUNet(**config)


def load_encoders(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[ImageVAE, ImageEncoder]:
    """VAE and image encoder of a model folder."""
    return load_vae(folder, dtype), _load_image_encoder(folder, dtype)


def load_vae(folder: Path, dtype: torch.dtype = torch.float32) -> ImageVAE:
    """The VAE of a model folder, and nothing else of it."""
    vae = _outline_vae(folder)
    load_strictly(vae.autoencoder, folder / "vae", dtype, rename=modern_key)
    return vae


def model_image_size(folder: Path) -> int:
    """Pixels per side of the images that a model folder's model draws; no weights are read."""
    return int(outline_unet(folder).config.sample_size) * _outline_vae(folder).pixels_per_latent


def load_schedule(folder: Path) -> NoiseSchedule:
    """The noise schedule of a model folder."""
    return NoiseSchedule.from_file(folder / "scheduler" / "scheduler_config.json")


def load_text_embeddings(folder: Path, num_views: int, width: int) -> torch.Tensor:
    """The prompt embeddings (M, V, tokens, D) of a folder. Raises InputError if their shape is another model's."""
    twin = folder / TWIN_TEXT
    if twin.is_file():
        file, text = twin, read_tensors(twin)["text"]
    else:
        for name in TEXT_FILES:
            if not (folder / name).is_file():
                raise InputError(
                    "no prompt embeddings", file=folder / name, field="text_embeddings",
                    remedy="name the folder that holds normal_embeds.pt and clr_embeds.pt of the original code",
                )  # fmt: skip
        file = folder / TEXT_FILES[0]
        domains = [next(iter(read_tensors(folder / name).values())) for name in TEXT_FILES]
        if domains[0].shape != domains[1].shape:
            raise InputError(
                "prompt embeddings of two sizes", file=file, field="shape",
                value=[tuple(domain.shape) for domain in domains], remedy="take both files from the same model",
            )  # fmt: skip
        text = torch.stack(domains)
    if text.ndim != 4 or text.shape[1] != num_views or text.shape[3] != width:
        raise InputError(
            f"prompt embeddings of another model: this one has {num_views} views and {width} features", file=file,
            field="shape (domain, view, token, feature)", value=tuple(text.shape),
            remedy="use the embeddings that belong to these weights (six views for Era3D, seven for PSHuman)",
        )  # fmt: skip
    return text


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
    write_json(folder / MARKER, _index())


def save_unet(unet: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Publish a network's weights as one safetensors file."""
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in unet.state_dict().items()}
    with replace_when_complete(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def _outline_vae(folder: Path) -> ImageVAE:
    config: dict[str, Any] = read_json(folder / "vae" / "config.json")
    pixel_patch = int(config.pop("pixel_patch", 1))
    with torch.device("meta"):
        return ImageVAE(config, pixel_patch)


def _load_image_encoder(folder: Path, dtype: torch.dtype) -> ImageEncoder:
    noising = _noising_schedule(folder / "image_noising_scheduler" / "scheduler_config.json")
    with torch.device("meta"):
        encoder = ImageEncoder(read_json(folder / "image_encoder" / "config.json"), noising)
    load_strictly(
        encoder.clip, folder / "image_encoder", dtype, names=TRANSFORMERS_NAMES,
        rename=lambda key: None if key == _IGNORED_BY_CLIP else key,
    )  # fmt: skip
    load_strictly(encoder.normalizer, folder / "image_normalizer", dtype)
    encoder.make_constants()
    return encoder


def _noising_schedule(file: Path) -> NoiseSchedule:
    """Only its noise levels are used; a DDPM's clipping of samples has no part in adding noise."""
    config = read_json(file)
    return NoiseSchedule.from_config({**config, "clip_sample": False, "thresholding": False}, file)


def _save_part(network: nn.Module, config: dict[str, Any], folder: Path, name: str, dtype: torch.dtype) -> None:
    save_unet(network, folder / f"{name}.safetensors", dtype)
    write_json(folder / "config.json", config)


def _index() -> dict[str, list[str]]:
    """The components as their original pipeline names them."""
    return {
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "image_normalizer": ["diffusers.pipelines.stable_diffusion", "StableUnCLIPImageNormalizer"],
        "image_noising_scheduler": ["diffusers", "DDPMScheduler"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["mvdiffusion.models_unclip.unet_mv2d_condition", "UNetMV2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
