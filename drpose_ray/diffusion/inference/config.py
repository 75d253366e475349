"""Settings of generating views from photos; defaults are how PSHuman and Era3D are run
(docs/facts/i2mv.md, 2.3 and 2.4).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.core.settings.config import Config
from drpose_ray.diffusion.config import Precision


class GenerateConfig(Config):
    """One model, many photos."""

    COMMON = ("model", "photos", "output")

    model: Path = Field(Path("weights/small/i2mv"), description="Model folder in Hugging Face layout.")
    text_embeddings: Path | None = Field(
        None, description="Folder of normal_embeds.pt and clr_embeds.pt, where the model folder has none."
    )
    photos: Path | None = Field(
        None, description="Folder of RGBA images, or a CSV with the column 'image' and, optionally, 'name'."
    )
    output: Path | None = Field(None, description="Folder of the views; by default the run's generate_views/views.")

    num_sampling_steps: int = Field(40, ge=1, le=1000, description="Number of DDIM steps (published use).")
    guidance_scale: float = Field(
        3.0, ge=0, le=1000, description="Scale of the classifier-free guidance; 1 turns it off (published use)."
    )
    eta: float = Field(1.0, ge=0, le=1, description="Noise of the DDIM sampler; 0 is deterministic (published use).")
    batched_guidance: bool = Field(
        True, description="Whether both guidance branches go through one call: faster, with twice the memory."
    )
    crop_size: int | None = Field(
        None,
        gt=0,
        le=8192,
        description="Pixels of the person's longer side; by default 740 of 768 (PSHuman), 420 of 512 (Era3D).",
    )
    keep_input_as_front: bool | None = Field(
        None,
        description="Whether the photo takes the place of the front color view; by default as PSHuman does, with its "
        "models.",
    )

    precision: Precision = Field("float32", description="Precision of weights and denoiser calls; float16 is for GPUs.")
    photos_per_call: int = Field(1, ge=1, le=1024, description="Number of photos denoised together.")
    photos_per_task: int = Field(4, ge=1, le=10_000, description="Number of photos handed to a worker at a time.")
    workers: int = Field(2, ge=1, le=100_000, description="Number of Ray actors, each with the whole model.")
    cpus_per_worker: float = Field(1, gt=0, le=1024, description="CPUs of an actor.")
    gpus_per_worker: float | None = Field(
        None, ge=0, le=64, description="GPUs of an actor, e.g. 0.25; by default as run.device says."
    )
