"""Settings of the ``renders`` section: which views of scans are rendered, by what, and how well."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from drpose_ray.core.settings.config import Config

Azimuth = Annotated[float, Field(ge=0, lt=360)]


class Sun(Config):
    """Parallel light, fixed in the scan's axes, that casts no shadows."""

    towards: tuple[float, float, float] = Field(description="Direction to the light: to the person's left, up, front.")
    energy: float = Field(ge=0, description="Irradiance of the light; a white surface that faces it shows energy / pi.")

    @model_validator(mode="after")
    def _check_direction(self) -> Sun:
        if math.hypot(*self.towards) < 1e-6:
            raise ValueError("a light has to be somewhere: towards must not be zero")
        return self


class Lights(Config):
    """What lights a scan. Nothing turns with the camera."""

    ambient: float = Field(default=0.5, ge=0, description="Grey light from everywhere; a white surface shows it as is.")
    suns: tuple[Sun, ...] = Field(
        default=(
            Sun(towards=(0.4, 0.6, 0.7), energy=1.1),
            Sun(towards=(-0.7, 0.2, 0.4), energy=0.5),
            Sun(towards=(0.1, 0.5, -0.8), energy=0.8),
        ),
        description="Parallel lights without shadows.",
    )


def _published_sun(angle_rad: float, energy: float) -> Sun:
    """A lamp that points down, turned about Blender's x axis, which is ours: its up is our y, its back our z."""
    return Sun(towards=(0.0, math.cos(angle_rad), math.sin(angle_rad)), energy=energy)


PUBLISHED_LIGHTS: Final = Lights(
    ambient=0.5,
    # The published script gives degrees where Blender takes radians; what it renders is what the models have seen.
    suns=(_published_sun(0, 5), _published_sun(180, 3), _published_sun(90, 3), _published_sun(-90, 3)),
)


class BlenderConfig(Config):
    """How Cycles renders, and how its process is kept."""

    samples: int = Field(default=72, ge=1, le=4096, description="Number of paths per pixel.")
    denoise: bool = Field(
        default=False, description="Whether OpenImageDenoise denoises colors; normals it leaves alone."
    )
    shading: Literal["direct", "traced"] = Field(
        default="direct",
        description="How light is computed. direct: the light that arrives unhindered, exactly, without occlusion or "
        "bounces; traced: Cycles' light transport, with the noise of its samples.",
    )
    bounces: int = Field(default=1, ge=0, le=8, description="Number of diffuse and glossy bounces of traced light.")
    material: Literal["diffuse", "principled"] = Field(
        default="diffuse",
        description="Material of traced surfaces; principled is what Blender's importers make, with a gloss.",
    )
    pixel_filter: Literal["box", "blackman-harris"] = Field(
        default="box",
        description="Filter of the pixels. box: each pixel is the mean over its square; Blender's default is wider "
        "than that.",
    )
    lights: Lights = Lights()
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seed of the samples.")
    device: Literal["CPU", "CUDA", "OPTIX"] = Field(
        default="CPU", description="Device on which Cycles renders; it is an error if there is none."
    )
    threads: int = Field(default=1, ge=1, description="Number of CPU threads of one process.")
    timeout_s: float = Field(
        default=900.0, gt=0, description="Longest time for one scan in seconds, after which its process is ended."
    )
    recycle: int = Field(default=1000, ge=1, description="Number of scans until a process is replaced by a fresh one.")


PUBLISHED: Final = BlenderConfig(
    samples=128, denoise=True, shading="traced", bounces=1, material="principled", pixel_filter="blackman-harris",
    lights=PUBLISHED_LIGHTS,
)  # fmt: skip
"""The settings of PSHuman's and Era3D's scripts, as far as they decide pixels (docs/facts/i2mv.md, 4.3)."""


class RaycastConfig(Config):
    """The fast twin: the same light as Blender's direct shading, by ray casting (embreex)."""

    supersampling: int = Field(default=3, ge=1, le=16, description="Number of rays per pixel and axis.")
    lights: Lights = Lights()


class RendersConfig(Config):
    """The ``renders:`` section."""

    COMMON = ("engine", "image_size", "split", "output", "workers")

    output: Path | None = Field(
        default=None, description="Dataset folder or s3://bucket/prefix; by default renders in the run folder."
    )
    engine: Literal["blender", "raycast"] = Field(
        default="blender", description="Renderer: Blender's Cycles, or rays of our own."
    )
    blender: BlenderConfig = BlenderConfig()
    raycast: RaycastConfig = RaycastConfig()
    image_size: int = Field(default=768, ge=16, le=2048, description="Side of the square images in pixels.")
    view_set: Literal["pshuman", "era3d"] = Field(
        default="pshuman", description="Views that are rendered. pshuman: six views and the face; era3d: six views."
    )
    input_azimuths_deg: tuple[Azimuth, ...] = Field(
        default=(0.0,),
        min_length=1,
        max_length=64,
        description="Azimuths of the input cameras around a scan, each a frame of its record.",
    )
    input_cameras: Literal["rig", "era3d"] = Field(
        default="rig",
        description="Kind of the input cameras. rig: the input is the front view; era3d: one of Era3D's five, drawn "
        "by the seed, with perspective or from above and below.",
    )
    depth: bool = Field(default=True, description="Whether depth is stored, in 16 bits.")
    split: Literal["all", "train", "val", "test"] = Field(
        default="all", description="Split whose scans are rendered (scans.splits), each into a dataset of its own."
    )
    attempts: int = Field(
        default=2, ge=1, le=10, description="Number of times that a scan is rendered until it counts as failed."
    )
    scans_per_shard: int = Field(
        default=16, ge=1, le=1000, description="Number of scans per shard, the unit of work and of resuming."
    )
    workers: int = Field(default=2, ge=1, description="Number of renderers that run at once, one CPU each.")
    gpus_per_worker: float = Field(default=0.0, ge=0, description="GPUs of a renderer, e.g. 0.25; 0 for the CPU.")
    contact_sheet: int = Field(default=24, ge=0, description="Number of scans on the contact sheet; 0 makes none.")

    @model_validator(mode="after")
    def _check_sizes(self) -> RendersConfig:
        if self.view_set == "pshuman" and self.image_size % 3:
            raise ValueError("PSHuman's face is a third of the picture: give an image_size that is a multiple of 3")
        if self.engine == "blender" and (self.blender.device != "CPU") != (self.gpus_per_worker > 0):
            raise ValueError(
                "blender.device and gpus_per_worker disagree: give a share of a GPU with CUDA or OPTIX only"
            )
        if len(set(self.input_azimuths_deg)) != len(self.input_azimuths_deg):
            raise ValueError("input_azimuths_deg holds an azimuth twice")
        return self
