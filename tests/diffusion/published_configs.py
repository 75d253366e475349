"""``unet/config.json`` in the fields of the released files: full size for key lists, tiny for running."""

from __future__ import annotations

from typing import Any

_COMMON: dict[str, Any] = {
    "_class_name": "UNetMV2DConditionModel", "_diffusers_version": "0.19.3", "act_fn": "silu",
    "addition_channels": [1280] * 3,
    "addition_downsample": False, "cd_attention_last": False, "cd_attention_mid": False, "center_input_sample": False,
    "class_embed_type": "projection", "down_block_types": ["CrossAttnDownBlockMV2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1, "dual_cross_attention": False, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 8,
    "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlockMV2DCrossAttn", "multiview_attention": True,
    "mvcd_attention": True, "norm_eps": 1e-05, "only_cross_attention": False, "out_channels": 4,
    "resnet_time_scale_shift": "default", "selfattn_block": "self_rowwise", "sparse_mv_attention": True,
    "time_embedding_type": "positional", "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlockMV2D"] * 3,
    "upcast_attention": True, "use_dino": False, "use_linear_projection": True,
}  # fmt: skip
_FULL = {
    "attention_head_dim": [5, 10, 20, 20], "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 1024,
    "layers_per_block": 2, "norm_num_groups": 32, "projection_class_embeddings_input_dim": 2048,
}  # fmt: skip
_TINY = {
    "attention_head_dim": [2, 3, 4, 4], "block_out_channels": [32, 48, 64, 64], "cross_attention_dim": 40,
    "layers_per_block": 1, "norm_num_groups": 8, "projection_class_embeddings_input_dim": 36,
}  # fmt: skip
_PSHUMAN = {
    "num_views": 7, "regress_elevation": False, "regress_focal_length": False, "num_regress_blocks": 2,
    "projection_camera_embeddings_input_dim": 2,
}  # fmt: skip
_ERA3D = {
    "num_views": 6, "regress_elevation": True, "regress_focal_length": True, "num_regress_blocks": 3,
    "projection_camera_embeddings_input_dim": 4, "decay": 0.9999, "inv_gamma": 1.0, "power": 0.6667, "min_decay": 0.0,
    "optimization_step": 40000, "update_after_step": 0, "use_ema_warmup": False,
}  # fmt: skip

PSHUMAN_FULL = {**_COMMON, **_FULL, **_PSHUMAN, "sample_size": 96}
ERA3D_FULL = {**_COMMON, **_FULL, **_ERA3D, "sample_size": 64}
ERA3D_ORTHO_FULL = {**ERA3D_FULL, "regress_elevation": False, "regress_focal_length": False}
PSHUMAN_TINY = {**_COMMON, **_TINY, **_PSHUMAN, "sample_size": 24}
ERA3D_TINY = {**_COMMON, **_TINY, **_ERA3D, "sample_size": 16, "num_regress_blocks": 1, "regressor_width": 32}
