"""Fields of the configuration files in model folders: typed, bounded and closed, before a library sees them.

A configuration comes with weights that anybody may have uploaded. What a library would do with a field that we do not
know (fetch a kernel, import a class, allocate terabytes) is not waited for: only the fields that are named here reach
it. Limits lie far above every released model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drpose_ray.core.errors import InputError

MAX_SIDE: Final = 1024
"""Of latents, and of images in latents' units."""


Count = Annotated[int, Field(strict=True, ge=1, le=65_536)]
Width = Annotated[int, Field(strict=True, ge=1, le=8192)]
Layers = Annotated[int, Field(strict=True, ge=1, le=128)]
_Few = Annotated[int, Field(strict=True, ge=1, le=64)]
_Side = Annotated[int, Field(strict=True, ge=1, le=2048)]
Flag = Annotated[bool, Field(strict=True)]
Levels = Annotated[Sequence[Width], Field(min_length=1, max_length=8)]


class ComponentFields(BaseModel):
    """The fields of one component; others of the file have no effect and are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


F = TypeVar("F", bound=ComponentFields)


def parse_fields(cls: type[F], published: Mapping[str, Any], file: str | Path | None = None) -> F:
    """``published`` as ``cls``. Raises InputError for the first field that does not fit; it names ``file``."""
    try:
        return cls.model_validate(dict(published))
    except ValidationError as error:
        first = error.errors()[0]
        inner = first.get("ctx", {}).get("error")
        if isinstance(inner, InputError):
            raise InputError(
                inner.problem, file=file, field=inner.field, value=brief(inner.value), remedy=inner.remedy
            ) from None
        missing = first["type"] == "missing"
        raise InputError(
            "a field of the configuration is missing" if missing
            else f"a field of the configuration does not fit ({first['msg'][:200]})",
            file=file, field=".".join(map(str, first["loc"])), value=None if missing else brief(first["input"]),
            remedy="use the configuration that came with the weights",
        ) from None  # fmt: skip


def brief(value: object) -> object:
    """``value`` for a message: a file can hold a list of a million, or one in a list in a list."""
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**18):
        return value
    if isinstance(value, str):
        return value if len(value) <= 60 else value[:60] + "…"
    if isinstance(value, (list, tuple)) and len(value) <= 8 and all(isinstance(x, (int, float, str)) for x in value):
        return [brief(item) for item in value]
    return f"of type {type(value).__name__}"


class ClipVisionFields(ComponentFields):
    """``image_encoder/config.json``: what decides the network of ``CLIPVisionModelWithProjection``."""

    model_type: Literal["clip_vision_model"] = "clip_vision_model"
    hidden_size: Width
    intermediate_size: Count
    num_hidden_layers: Layers
    num_attention_heads: Layers
    projection_dim: Width
    image_size: _Side
    patch_size: _Side
    num_channels: Literal[3] = 3
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: Annotated[float, Field(strict=True, gt=0, le=0.1)] = 1e-5

    @model_validator(mode="after")
    def _divide(self) -> ClipVisionFields:
        must_divide("hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        if self.patch_size > self.image_size:
            raise InputError(
                "patches larger than the image", field="patch_size", value=self.patch_size,
                remedy=f"the image has {self.image_size} pixels per side",
            )  # fmt: skip
        if self.projection_dim % 2:
            raise InputError(
                "an embedding whose level cannot be told in halves", field="projection_dim", value=self.projection_dim,
                remedy="use an even width",
            )  # fmt: skip
        return self

    def arguments(self) -> dict[str, Any]:
        """What ``CLIPVisionConfig`` is constructed with."""
        return self.model_dump(exclude={"model_type"})


class VaeFields(ComponentFields):
    """``vae/config.json``: what decides the network of ``AutoencoderKL``."""

    class_name: Literal["AutoencoderKL"] = Field("AutoencoderKL", alias="_class_name")
    in_channels: Width = 3
    out_channels: Width = 3
    latent_channels: _Few = 4
    block_out_channels: Levels = (64,)
    down_block_types: Sequence[Literal["DownEncoderBlock2D"]] = ("DownEncoderBlock2D",)
    up_block_types: Sequence[Literal["UpDecoderBlock2D"]] = ("UpDecoderBlock2D",)
    layers_per_block: Annotated[int, Field(strict=True, ge=1, le=16)] = 1
    norm_num_groups: Width = 32
    act_fn: Literal["silu"] = "silu"
    sample_size: Count = 32
    scaling_factor: Annotated[float, Field(strict=True, ge=1e-4, le=1e4)] = 0.18215
    use_quant_conv: Flag = True
    use_post_quant_conv: Flag = True
    mid_block_add_attention: Flag = True
    # Other models shift latents, or have statistics of each channel; ours scale them, and nothing else.
    shift_factor: None = None
    latents_mean: None = None
    latents_std: None = None

    @model_validator(mode="after")
    def _divide(self) -> VaeFields:
        same_length(self.block_out_channels, down_block_types=self.down_block_types, up_block_types=self.up_block_types)
        for width in self.block_out_channels:
            must_divide("block_out_channels", width, "norm_num_groups", self.norm_num_groups)
        return self

    def arguments(self) -> dict[str, Any]:
        """What ``AutoencoderKL`` is constructed with."""
        return self.model_dump(exclude={"class_name", "shift_factor", "latents_mean", "latents_std"})


class NormalizerFields(ComponentFields):
    """``image_normalizer/config.json``."""

    embedding_dim: Width


class PreprocessorFields(ComponentFields):
    """``feature_extractor/preprocessor_config.json``: CLIP's own preparation, which is the only one implemented.

    Sizes were first numbers and later tables.
    """

    do_resize: Literal[True] = True
    do_center_crop: Literal[True] = True
    do_rescale: Literal[True] = True
    do_normalize: Literal[True] = True
    resample: Literal[3] = 3  # bicubic
    size: Count | dict[Literal["shortest_edge", "height", "width"], Count] | None = None
    crop_size: Count | dict[Literal["height", "width"], Count] | None = None
    image_mean: Annotated[Sequence[float], Field(min_length=3, max_length=3)] | None = None
    image_std: Annotated[Sequence[float], Field(min_length=3, max_length=3)] | None = None

    def refuse_other(self, side: int, mean: Sequence[float], std: Sequence[float], file: Path) -> None:
        """Raise InputError unless images come out ``side`` pixels wide with these channel statistics."""
        for field, expected in (("size", side), ("crop_size", side), ("image_mean", mean), ("image_std", std)):
            stated = getattr(self, field)
            values = list(stated.values()) if isinstance(stated, dict) else stated
            wrong = values is not None and (
                any(value != expected for value in (values if isinstance(values, list) else [values]))
                if isinstance(expected, int)
                else any(abs(a - b) > 1e-4 for a, b in zip(values, expected, strict=True))
            )
            if wrong:
                raise InputError(
                    "a preparation of images that is not implemented", file=file, field=field, value=brief(stated),
                    remedy=f"the image encoder is given CLIP's own: {expected}",
                )  # fmt: skip


def must_divide(whole_name: str, whole: int, part_name: str, part: int, file: Path | None = None) -> None:
    """Raise InputError unless ``whole`` is a multiple of ``part``."""
    if whole % part:
        raise InputError(
            f"{whole_name} {whole} is not a multiple of {part_name}, {part}", file=file, field=whole_name, value=whole,
            remedy="use the configuration that came with the weights",
        )  # fmt: skip


def same_length(levels: Sequence[object], **others: Sequence[object]) -> None:
    """Raise InputError unless there is one of each of ``others`` for every level."""
    for name, other in others.items():
        if len(other) != len(levels):
            raise InputError(
                f"{len(other)} of {name} for {len(levels)} levels", field=name, value=len(other),
                remedy="name one for each of block_out_channels",
            )  # fmt: skip
