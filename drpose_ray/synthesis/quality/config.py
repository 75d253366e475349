"""Thresholds of the quality filters; what the true renders of the free twin measure is in tests/synthesis."""

from __future__ import annotations

from pydantic import Field

from drpose_ray.core.settings.config import Config


class QualityConfig(Config):
    """Which drawn frames are kept. A limit of null turns its filter off."""

    thumbnail_size: int = Field(default=96, ge=16, le=512, description="Side of the thumbnails that are measured.")
    white_tolerance: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Distance from white, as a share of the range, beyond which a pixel of a picture without alpha is "
        "the person.",
    )
    min_coverage: float | None = Field(
        default=0.01, gt=0, le=1, description="A frame is empty if the person covers a smaller share of the picture."
    )
    min_brightness: float | None = Field(
        default=0.12,
        gt=0,
        le=1,
        description="A frame is black if the person's brightest 5 % are darker, 1 being white.",
    )
    min_contrast: float | None = Field(
        default=0.05,
        gt=0,
        le=1,
        description="A frame is black, too, if the person's darkest 5 % are less far below the brightest 5 %.",
    )
    max_border_share: float | None = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="A frame is cropped if the picture's border cuts a larger share of the outline.",
    )
    max_frozen_difference: float | None = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="A frame is frozen if an earlier frame of the window differs by no more (mean over the person, 1: "
        "the range).",
    )
    min_frozen_movement: float = Field(
        default=0.02,
        gt=0,
        description="A frame is frozen only if some joint moved at least so far between the two frames, in picture "
        "widths.",
    )
    max_duplicate_bits: int | None = Field(
        default=0,
        ge=0,
        le=8,
        description="A sequence is a duplicate if the image hash of an earlier one differs in no more of 64 bits.",
    )
    min_silhouette_iou: float | None = Field(
        default=0.6,
        gt=0,
        le=1,
        description="A frame is refused if its overlap (IoU) with the unclothed posed body is smaller.",
    )
