"""MIMO's classes at the size of docs/facts/mimo.md, 4, with random weights, in memory and as a published folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.synthesis.mimo.layout import UNET_CONFIG
from drpose_ray.synthesis.mimo.networks.architecture import STABLE_DIFFUSION_15
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.model import MimoModel
from drpose_ray.synthesis.mimo.networks.pose_guider import PoseGuider
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet

define_missing_operators()
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402 - needs the operators declared

UNET: dict[str, Any] = {
    **STABLE_DIFFUSION_15, "block_out_channels": (32, 32, 64, 64), "layers_per_block": 1, "cross_attention_dim": 32,
    "attention_head_dim": 4,
}  # fmt: skip
GUIDER: dict[str, Any] = {"out_channels": 32, "channels": (4, 8, 12, 16)}
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "block_out_channels": [16, 16, 32, 32], "layers_per_block": 1, "norm_num_groups": 8,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "sample_size": 256,
}  # fmt: skip
CLIP: dict[str, Any] = {
    "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 224, "patch_size": 56, "projection_dim": 32, "hidden_act": "quick_gelu",
}  # fmt: skip


def make_model(seed: int = 0) -> MimoModel:
    """Random and frozen. The pose features are as strong as what they are added to."""
    torch.manual_seed(seed)
    model = MimoModel(
        DenoisingUNet(UNET), ReferenceUNet(UNET), PoseGuider(**GUIDER), ImageVAE(VAE, 1),
        CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP)),
    ).freeze()  # fmt: skip
    model.pose_guider.conv_out.weight.mul_(20)
    return model


def write_folder(folder: Path, model: MimoModel) -> Path:
    """``model`` as MIMO's ``pretrained_weights``: temporal weights in their own file, old names in VAE and CLIP."""
    for name in (UNET_CONFIG.parent, "sd-vae-ft-mse", "image_encoder"):
        (folder / name).mkdir(parents=True)
    (folder / UNET_CONFIG).write_text(json.dumps({"_class_name": "UNet2DConditionModel", **UNET}))
    (folder / "sd-vae-ft-mse/config.json").write_text(json.dumps(VAE))
    (folder / "image_encoder/config.json").write_text(json.dumps(CLIP))
    denoiser = model.denoiser.state_dict()
    torch.save({k: v for k, v in denoiser.items() if "motion_modules" in k}, folder / "motion_module.pth")
    torch.save({k: v for k, v in denoiser.items() if "motion_modules" not in k}, folder / "denoising_unet.pth")
    torch.save(model.reference_unet.state_dict(), folder / "reference_unet.pth")
    torch.save(model.pose_guider.state_dict(), folder / "pose_guider.pth")
    vae = {_old_name(k): v for k, v in model.vae.autoencoder.state_dict().items()}
    torch.save(vae, folder / "sd-vae-ft-mse/diffusion_pytorch_model.bin")
    clip = {**model.image_encoder.state_dict(), "vision_model.embeddings.position_ids": torch.arange(17)[None]}
    torch.save(clip, folder / "image_encoder/pytorch_model.bin")
    return folder


def _old_name(key: str) -> str:
    for new, old in {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}.items():
        key = key.replace(new, old)
    return key


def portrait(color: tuple[int, int, int] = (200, 40, 40)) -> Image.Image:
    """An RGBA photo 60 wide and 100 high: an opaque block of 20 x 60 pixels at (30, 10)."""
    pixels = np.zeros((100, 60, 4), np.uint8)
    pixels[10:70, 30:50] = (*color, 255)
    return Image.fromarray(pixels)
