"""Reading ``unet/config.json`` as PSHuman and Era3D publish it (docs/facts/i2mv.md, 1.1)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.component_fields import ComponentFields, Count, Flag, Width, brief, parse_fields
from drpose_ray.diffusion.unet.camera_regressor import PUBLISHED_WIDTH
from drpose_ray.diffusion.unet.unet_fields import STOCK_DEFAULTS, UNetFields, parse_unet
from drpose_ray.geometry.view_sets import ViewSet, view_set

# Flags of the original class and the one value that the released models have. Another value is another network.
_FIXED: Final[dict[str, Any]] = {
    "mvcd_attention": True,
    "multiview_attention": True,
    "selfattn_block": "self_rowwise",
    "cd_attention_last": False,
    "cd_attention_mid": False,
    "use_dino": False,
    "addition_downsample": False,
    "class_embed_type": "projection",
    "transformer_layers_per_block": 1,
    "encoder_hid_dim": None,
    "addition_embed_type": None,
}
# Fields that change nothing: unused by the original, training book-keeping, or diffusers' own.
_WITHOUT_MEANING: Final = frozenset({
    "sparse_mv_attention", "addition_channels", "decay", "inv_gamma", "power", "min_decay", "optimization_step",
    "update_after_step", "use_ema_warmup", "init_mvattn_with_selfattn", "use_face_adapter", "face_view",
})  # fmt: skip


class _ViewFields(ComponentFields):
    """What the multi-view U-Nets have beyond the stock one."""

    num_views: Literal[6, 7]
    regress_elevation: Flag | None = None
    regress_focal_length: Flag | None = None
    num_regress_blocks: Annotated[int, Field(strict=True, ge=0, le=64)] | None = None
    projection_camera_embeddings_input_dim: Count | None = None
    regressor_width: Width = PUBLISHED_WIDTH


@dataclass(frozen=True)
class UNetConfig:
    """What the file decides."""

    stock: UNetFields
    num_views: int
    regressed: tuple[str, ...]  # of ("elevation", "focal"), in this order
    num_regress_blocks: int
    regressor_width: int
    camera_embedding_inputs: int

    @property
    def view_set(self) -> ViewSet:
        """What the views show. No flag says so; the number of views does."""
        return view_set(self.num_views)

    @property
    def side_multiple(self) -> int:
        """What the latents' side must be a multiple of."""
        halvings: int = 2 ** (len(self.stock.block_out_channels) - 1)
        return halvings * (3 if self.view_set.face else 1)


def read_unet_config(published: Mapping[str, Any], file: str | Path | None = None) -> UNetConfig:
    """Sort the fields of a published configuration.

    Raises InputError for a field out of its type or range, and for flags under which the original builds a network that
    was never released; warns of fields that it does not know.
    """
    for key, only in _FIXED.items():
        if key in published and published[key] != only:
            raise InputError(
                "an architecture that PSHuman and Era3D were not released with", file=file, field=key,
                value=brief(published[key]),
                remedy=f"only {only!r} is implemented; use the config.json of released weights",
            )  # fmt: skip
    if published.get("num_views") not in (6, 7) or isinstance(published["num_views"], float):
        raise InputError(
            "not the configuration of a multi-view U-Net", file=file, field="num_views",
            value=brief(published.get("num_views")),
            remedy="give the unet/config.json of PSHuman (7) or Era3D (6)",
        )  # fmt: skip
    known = STOCK_DEFAULTS.keys() | _FIXED.keys() | _WITHOUT_MEANING | _ViewFields.model_fields.keys()
    if unknown := sorted(key for key in published.keys() - known if not key.startswith("_")):
        warnings.warn(f"unet config: unknown fields without effect: {brief(', '.join(unknown))}", stacklevel=2)
    # Only the attention kernels that the originals do not use would look at upcast_attention.
    judged = (*_FIXED, "upcast_attention")
    stock = parse_unet({**published, "class_embed_type": "projection"}, file, cls=UNetFields, also=judged)
    if stock.projection_class_embeddings_input_dim is None:
        raise InputError(
            "the image embedding has no width", file=file, field="projection_class_embeddings_input_dim",
            remedy="give the unet/config.json of PSHuman or Era3D",
        )  # fmt: skip
    views = parse_fields(_ViewFields, published, file)
    flags = {"elevation": views.regress_elevation, "focal": views.regress_focal_length}
    regressed = tuple(name for name, flag in flags.items() if flag)
    cameras = views.projection_camera_embeddings_input_dim or 2 * len(regressed)
    if regressed and cameras != 2 * len(regressed):
        raise InputError(
            "the camera embedding does not take a sine and a cosine of each regressed number", file=file,
            field="projection_camera_embeddings_input_dim", value=cameras, remedy=f"use {2 * len(regressed)}",
        )  # fmt: skip
    return UNetConfig(
        stock,
        num_views=views.num_views,
        regressed=regressed,
        num_regress_blocks=views.num_regress_blocks or 0,
        regressor_width=views.regressor_width,
        camera_embedding_inputs=cameras,
    )
