"""Reading ``unet/config.json`` as PSHuman and Era3D publish it (i2mv facts, 1.1)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drpose_ray.diffusion.camera_regressor import PUBLISHED_WIDTH
from drpose_ray.errors import InputError
from drpose_ray.geometry.view_sets import ViewSet, view_set
from drpose_ray.torchvision_ops import define_missing_operators

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared

_STOCK_FIELDS: Final = frozenset(inspect.signature(UNet2DConditionModel.__init__).parameters) - {"self"}
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
_OURS: Final = frozenset({
    "num_views", "regress_elevation", "regress_focal_length", "num_regress_blocks",
    "projection_camera_embeddings_input_dim", "regressor_width",
})  # fmt: skip


@dataclass(frozen=True)
class UNetConfig:
    """What the file decides."""

    stock: dict[str, Any]  # fields of diffusers' UNet2DConditionModel
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
        halvings: int = 2 ** (len(self.stock["block_out_channels"]) - 1)
        return halvings * (3 if self.view_set.face else 1)


def read_unet_config(published: Mapping[str, Any], file: str | Path | None = None) -> UNetConfig:
    """Sort the fields of a published configuration.

    Raises InputError for flags under which the original builds a network that was never released, and warns of fields
    that it does not know.
    """
    for key, only in _FIXED.items():
        if key in published and published[key] != only:
            raise InputError(
                "an architecture that PSHuman and Era3D were not released with", file=file, field=key,
                value=published[key], remedy=f"only {only!r} is implemented; use the config.json of released weights",
            )  # fmt: skip
    if not isinstance(published.get("num_views"), int) or published["num_views"] < 1:
        raise InputError(
            "not the configuration of a multi-view U-Net", file=file, field="num_views",
            value=published.get("num_views"), remedy="give the unet/config.json of PSHuman (7) or Era3D (6)",
        )  # fmt: skip
    known = _STOCK_FIELDS | _FIXED.keys() | _WITHOUT_MEANING | _OURS
    if unknown := sorted(key for key in published.keys() - known if not key.startswith("_")):
        warnings.warn(f"unet config: unknown fields without effect: {', '.join(unknown)}", stacklevel=2)
    stock = {key: _stock_names(value) for key, value in published.items() if key in _STOCK_FIELDS}
    stock.setdefault("class_embed_type", "projection")
    flags = {"elevation": published.get("regress_elevation"), "focal": published.get("regress_focal_length")}
    regressed = tuple(name for name, flag in flags.items() if flag)
    return UNetConfig(
        stock,
        num_views=published["num_views"],
        regressed=regressed,
        num_regress_blocks=int(published.get("num_regress_blocks") or 0),
        regressor_width=int(published.get("regressor_width", PUBLISHED_WIDTH)),
        camera_embedding_inputs=int(published.get("projection_camera_embeddings_input_dim") or 2 * len(regressed)),
    )


def _stock_names(value: Any) -> Any:
    """The original's block classes differ from the stock ones by their transformer blocks alone; so do their names."""
    if isinstance(value, (list, tuple)):
        return [_stock_names(item) for item in value]
    return value.replace("MV2D", "2D") if isinstance(value, str) else value
