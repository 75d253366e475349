"""The image-to-multi-view model: its parts, its folder on disk, and sampling six views of two domains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.errors import InputError
from drpose_ray.publish import replace_when_complete, write_json

_WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class ImageToMultiView:
    """The parts of an I2MV model, each as its published counterpart is.

    ``text`` (M, V, tokens, D) are the fixed prompt embeddings, ``image_size`` the pixels per side.
    """

    unet: MultiViewUNet
    vae: ImageVAE
    image_encoder: ImageEncoder
    schedule: NoiseSchedule
    text: torch.Tensor
    image_size: int

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(M, V, 4, h, w) of one object."""
        domains, views = self.text.shape[:2]
        side = int(self.unet.config.sample_size)
        return domains, views, int(self.unet.config.out_channels), side, side

    @torch.no_grad()
    def encode_condition(self, images: torch.Tensor) -> Condition:
        """Condition of input images (B, 3, s, s) in [0, 1] on white."""
        return Condition(self.vae.encode(images), self.image_encoder(images), self.text)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Multi-view latents (M, B, V, 4, h, w) -> images (M, B, V, 3, s, s) in [0, 1], one object at a time."""
        objects = [self.vae.decode(latents[:, i].flatten(0, 1)) for i in range(latents.shape[1])]
        return torch.stack([x.view(*latents.shape[0:1], latents.shape[2], *x.shape[1:]) for x in objects], 1)

    def freeze(self) -> ImageToMultiView:
        """All parts in evaluation mode, no parameter trainable. Returns itself."""
        for part in (self.unet, self.vae, self.image_encoder):
            part.eval().requires_grad_(False)
        return self


class GuidedDenoiser:
    """Classifier-free guidance around a denoiser: ``u + scale (c - u)``, per domain."""

    def __init__(self, denoiser: nn.Module, scale: float) -> None:
        self.denoiser, self.scale = denoiser, scale

    def __call__(self, latents: torch.Tensor, timestep: int | torch.Tensor, condition: Condition) -> torch.Tensor:
        """As the denoiser's own call; costs two."""
        given = self.denoiser(latents, timestep, condition)
        dropped = self.denoiser(latents, timestep, condition.dropped())
        return dropped + self.scale * (given - dropped)  # type: ignore[no-any-return]


def save_i2mv(model: ImageToMultiView, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Publish the model as a folder in Hugging Face layout; ``i2mv.json``, written last, marks it complete."""
    _save_part(model.unet, model.unet.fields, folder / "unet", dtype)
    _save_part(model.vae.autoencoder, model.vae.config, folder / "vae", dtype)
    _save_part(model.image_encoder.clip, model.image_encoder.config, folder / "image_encoder", dtype)
    write_json(folder / "scheduler" / "scheduler_config.json", model.schedule.config())
    with replace_when_complete(folder / "text_embeddings.safetensors") as temporary:
        save_file({"text": model.text.to(dtype).contiguous()}, temporary)
    write_json(folder / "i2mv.json", {"image_size": model.image_size, "pixel_patch": model.vae.pixel_patch})


def load_i2mv(folder: Path, unet_weights: Path | None = None) -> ImageToMultiView:
    """Load a model folder in float32, frozen.

    Args:
        folder: as :func:`save_i2mv` writes it.
        unet_weights: a fine-tuned U-Net (safetensors) to load in place of the folder's own.

    Raises:
        InputError: a missing file, or weights that do not fit the config; it lists the keys.
    """
    layout = _read_json(folder / "i2mv.json")
    unet = MultiViewUNet(**_read_json(folder / "unet" / "config.json"))
    _load_strictly(unet, unet_weights or folder / "unet" / _WEIGHTS)
    vae = ImageVAE(_read_json(folder / "vae" / "config.json"), int(layout["pixel_patch"]))
    _load_strictly(vae.autoencoder, folder / "vae" / _WEIGHTS)
    image_encoder = ImageEncoder(_read_json(folder / "image_encoder" / "config.json"))
    _load_strictly(image_encoder.clip, folder / "image_encoder" / _WEIGHTS)
    schedule = NoiseSchedule.from_file(folder / "scheduler" / "scheduler_config.json")
    text = _read_tensors(folder / "text_embeddings.safetensors")["text"].float()
    return ImageToMultiView(unet, vae, image_encoder, schedule, text, int(layout["image_size"])).freeze()


def save_unet(unet: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Publish a U-Net's weights as one safetensors file."""
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in unet.state_dict().items()}
    with replace_when_complete(path) as temporary:
        save_file(tensors, temporary)


def _save_part(network: nn.Module, config: dict[str, Any], folder: Path, dtype: torch.dtype) -> None:
    save_unet(network, folder / _WEIGHTS, dtype)
    write_json(folder / "config.json", config)


def _load_strictly(network: nn.Module, path: Path) -> None:
    tensors = _read_tensors(path)
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += sorted(k for k in expected.keys() & tensors.keys() if expected[k].shape != tensors[k].shape)
    if wrong:
        raise InputError(
            f"weights do not fit the configured network ({len(wrong)} tensors missing, extra or of another shape)",
            file=path,
            field=", ".join(wrong[:8]) + (" …" if len(wrong) > 8 else ""),
            remedy="use the config.json that belongs to these weights",
        )
    network.load_state_dict({name: value.float() for name, value in tensors.items()})


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read weights ({error})", file=path, remedy="give a safetensors file") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read model configuration ({error})", file=path, remedy="give a complete model folder"
        ) from error
    return values
