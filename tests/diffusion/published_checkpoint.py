"""Random models written as the originals publish theirs: half precision, stock components, embeddings in .pt files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from drpose_ray.diffusion.image_encoder import ImageEncoder
from drpose_ray.diffusion.schedule import NoiseSchedule
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.diffusion.vae import ImageVAE

SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.19.3", "beta_end": 0.012, "beta_schedule": "linear",
    "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "v_prediction",
    "set_alpha_to_one": False, "steps_offset": 1, "trained_betas": None, "timestep_spacing": "leading",
}  # fmt: skip
NOISING: dict[str, Any] = {
    "_class_name": "DDPMScheduler", "beta_schedule": "squaredcos_cap_v2", "clip_sample": True,
    "prediction_type": "epsilon",
}  # fmt: skip
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.19.3", "in_channels": 3, "out_channels": 3,
    "latent_channels": 4, "block_out_channels": [8, 8, 16, 16], "layers_per_block": 1, "norm_num_groups": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "sample_size": 96,
}  # fmt: skip
CLIP: dict[str, Any] = {
    "architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "hidden_act": "gelu",
    "hidden_size": 32, "image_size": 28, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
    "patch_size": 14, "projection_dim": 18, "torch_dtype": "float16",
}  # fmt: skip


def write_published(folder: Path, unet_config: dict[str, Any], dtype: torch.dtype = torch.float16) -> Path:
    """A complete random model of ``unet_config``; returns the folder."""
    torch.manual_seed(5)
    unet = MultiViewUNet(**unet_config)
    for name, parameter in unet.named_parameters():
        if "attn_mv.to_out" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    noising = NoiseSchedule.from_config({**NOISING, "clip_sample": False})
    encoder = ImageEncoder(CLIP, noising)
    encoder.normalizer.mean.data.normal_()
    encoder.normalizer.std.data.uniform_(0.5, 1.5)
    vae = ImageVAE(VAE, 1).autoencoder
    legacy = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    for part, config, state, name in (
        ("unet", unet_config, unet.state_dict(), "diffusion_pytorch_model"),
        ("vae", VAE, {_renamed(k, legacy): v for k, v in vae.state_dict().items()}, "diffusion_pytorch_model"),
        ("image_encoder", CLIP, encoder.clip.state_dict(), "model"),
        ("image_normalizer", {"embedding_dim": 18}, encoder.normalizer.state_dict(), "diffusion_pytorch_model"),
    ):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(config))
        save_file({k: v.to(dtype).contiguous() for k, v in state.items()}, folder / part / f"{name}.safetensors")
    for part, config in (("scheduler", SCHEDULER), ("image_noising_scheduler", NOISING)):
        (folder / part).mkdir()
        (folder / part / "scheduler_config.json").write_text(json.dumps(config))
    for name in ("normal_embeds.pt", "clr_embeds.pt"):
        shape = (unet.num_views, 9, int(unet.config.cross_attention_dim))
        torch.save(torch.randn(shape).to(torch.float16), folder / name)
    index = {"_class_name": "StableUnCLIPImg2ImgPipeline", "unet": ["mvdiffusion.models", "UNetMV2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _renamed(key: str, names: dict[str, str]) -> str:
    for new, old in names.items():
        key = key.replace(new, old)
    return key
