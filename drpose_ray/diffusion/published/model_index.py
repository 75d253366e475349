"""``model_index.json``: marks a model folder as complete. The classes it names are never imported; ours are fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from drpose_ray.core.errors import InputError, missing_weights
from drpose_ray.core.files.reading import is_there, named_refusals
from drpose_ray.core.files.weight_files import read_model_json
from drpose_ray.diffusion.component_fields import brief

MARKER: Final = "model_index.json"
"""Written last: a folder that has it is complete."""
MODEL_INDEX: Final = {
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "image_normalizer": ["diffusers.pipelines.stable_diffusion", "StableUnCLIPImageNormalizer"],
    "image_noising_scheduler": ["diffusers", "DDPMScheduler"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["mvdiffusion.models_unclip.unet_mv2d_condition", "UNetMV2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
"""The components as their original pipeline names them."""
_CLASSES: Final = {
    "image_encoder": "CLIPVisionModelWithProjection", "image_normalizer": "StableUnCLIPImageNormalizer",
    "unet": "UNetMV2DConditionModel", "vae": "AutoencoderKL",
}  # fmt: skip


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a model folder. Raises InputError if there is none, or it names other classes than ours."""
    file = folder / MARKER
    if not is_there(file):
        with named_refusals(folder):
            is_nowhere = not folder.exists()
        if is_nowhere:
            raise InputError("no such model folder", file=folder, remedy=missing_weights(file))
        raise InputError(
            "not a model folder", file=file,
            remedy="name a folder in Hugging Face layout; model_index.json marks it complete",
        )  # fmt: skip
    index = read_model_json(file)
    for part, value in index.items():
        if part.startswith("_") or not isinstance(value, (list, dict)):
            continue
        pair = isinstance(value, list) and len(value) == 2 and all(x is None or isinstance(x, str) for x in value)
        if not pair or (part in _CLASSES and value[1] != _CLASSES[part]):
            raise InputError(
                "a component of another class", file=file, field=str(brief(part)), value=brief(value),
                remedy=f"expected is {_CLASSES.get(part, 'the name of a library and that of a class')}",
            )  # fmt: skip
    return index
