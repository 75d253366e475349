"""Fields of a ``unet/config.json``, of whichever model: what decides the shapes of ``UNet2DConditionModel``.

All others of the stock class switch on parts that no network here runs; they may be in the file with the value that
leaves them off.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.component_fields import (
    MAX_SIDE,
    ComponentFields,
    Count,
    Flag,
    Levels,
    Width,
    brief,
    must_divide,
    parse_fields,
    same_length,
)

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared

STOCK_DEFAULTS: Final[Mapping[str, Any]] = {
    name: parameter.default
    for name, parameter in inspect.signature(UNet2DConditionModel.__init__).parameters.items()
    if name != "self"
}
_Heads = Annotated[int, Field(strict=True, ge=1, le=256)]


class UNetFields(ComponentFields):
    """Defaults are the stock class's. ``attention_head_dim`` is the number of heads (diffusers' old quirk)."""

    class_name: Literal["UNet2DConditionModel", "UNetMV2DConditionModel"] = Field(
        "UNet2DConditionModel", alias="_class_name"
    )
    sample_size: Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
    in_channels: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    out_channels: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    block_out_channels: Levels = (320, 640, 1280, 1280)
    down_block_types: Sequence[Literal["CrossAttnDownBlock2D", "DownBlock2D"]] = (
        "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D",
    )  # fmt: skip
    up_block_types: Sequence[Literal["UpBlock2D", "CrossAttnUpBlock2D"]] = (
        "UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
    )  # fmt: skip
    layers_per_block: Annotated[int, Field(strict=True, ge=1, le=16)] = 2
    attention_head_dim: _Heads | Sequence[_Heads] = 8
    cross_attention_dim: Count = 1280
    norm_num_groups: Width = 32
    use_linear_projection: Flag = False
    projection_class_embeddings_input_dim: Count | None = None
    class_embed_type: Literal["projection"] | None = None

    @model_validator(mode="after")
    def _divide(self) -> UNetFields:
        levels = self.block_out_channels
        same_length(levels, down_block_types=self.down_block_types, up_block_types=self.up_block_types)
        heads = self.attention_head_dim
        each = [heads] * len(levels) if isinstance(heads, int) else list(heads)
        same_length(levels, attention_head_dim=each)
        for width, count in zip(levels, each, strict=True):
            must_divide("block_out_channels", width, "norm_num_groups", self.norm_num_groups)
            must_divide("block_out_channels", width, "attention_head_dim", count)
        return self

    def arguments(self) -> dict[str, Any]:
        """What ``UNet2DConditionModel`` is constructed with."""
        return self.model_dump(exclude={"class_name"})


F = TypeVar("F", bound=UNetFields)


def parse_unet(published: Mapping[str, Any], file: str | Path | None, *, cls: type[F], also: Collection[str] = ()) -> F:
    """The fields of ``published``, with block classes under their stock names.

    Args:
        also: stock fields that the caller has judged, or that change nothing in its networks.

    Raises InputError for a field out of its type or range, and for a stock field that switches on a part that no
    network here has.
    """
    for name, default in STOCK_DEFAULTS.items():
        if name in UNetFields.model_fields or name in also or name not in published:
            continue
        if stock_name(published[name]) != default:
            raise InputError(
                "a field that asks for a part this network does not have", file=file, field=name,
                value=brief(published[name]), remedy=f"only {default!r} is implemented; use the config.json of "
                "released weights",
            )  # fmt: skip
    shown = {name: stock_name(value) if name.endswith("_block_types") else value for name, value in published.items()}
    return parse_fields(cls, shown, file)


def stock_name(value: Any) -> Any:
    """The originals' block classes differ from the stock ones by their transformer blocks alone; so do their names."""
    if isinstance(value, (list, tuple)):
        return [item.replace("MV2D", "2D") if isinstance(item, str) else item for item in value]
    return value.replace("MV2D", "2D") if isinstance(value, str) else value
