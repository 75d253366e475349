"""One check per kind of part, by the reader that the jobs use: each says what a good part holds, or raises InputError.

Weights are read whole, as keys, shapes and finite numbers are what a job would stumble over; of thousands of motions
or scans a few are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import torch
from torch import nn

from drpose_ray.body.model_file import read_model_file
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.files.weight_files import TEXT_FILES, read_tensors
from drpose_ray.datasets.manifest import check_sizes, read_manifest
from drpose_ray.diffusion.encoded.latents_store import read_latents_record
from drpose_ray.diffusion.published.layout import (
    load_encoders,
    load_schedule,
    load_unet,
    load_vae,
    outline_unet,
    refuse_unfitting,
)
from drpose_ray.diffusion.published.model_index import read_index
from drpose_ray.diffusion.published.text_embeddings import load_text_embeddings
from drpose_ray.evaluation.estimator.estimator import PoseEstimator
from drpose_ray.finetune.conditions.store import ConditionStore
from drpose_ray.poses.readers.motions import motion_files, read_motions
from drpose_ray.poses.readers.motionx_tree import motionx_files
from drpose_ray.reward.perceptual import PerceptualDistance
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.scans.config import ScanChecks, ScanSource
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.sources import list_scans
from drpose_ray.synthesis.mimo.color_table import read_color_table
from drpose_ray.synthesis.mimo.layout import load_mimo
from drpose_ray.synthesis.mimo.photo import list_photos, read_photo

_SMPLX_VERTICES: Final = 10_475
_BACKBONES: Final = {"vgg": "397923af", "alex": "7be5be79", "squeeze": "b8a52dc0"}
"""How the SHA-256 of torchvision's files begin; it is part of their names."""


def body(path: Path) -> str:
    """An ``SMPLX_*.npz``."""
    model = read_model_file(path)
    vertices = len(model.arrays["v_template"])
    whose = "SMPL-X's" if vertices == _SMPLX_VERTICES else f"not SMPL-X's, which has {_SMPLX_VERTICES}"
    return f"{vertices} vertices ({whose}), sha256 {model.sha256[:12]}"


def motions(path: Path, skeletons: Sequence[Path]) -> str:
    """A folder of motions or one file; of a folder the first, the middle and the last clip are read."""
    files = motion_files(path) if path.is_dir() else [path]
    if path.is_dir() and files[0].suffix.lower() == ".npy":
        files = [file for file, _ in motionx_files(path)]
    tried = sorted({files[0], files[len(files) // 2], files[-1]})
    frames = sum(
        len(clip.motion)
        for file in tried
        for clip in read_motions(file, aist_translation="metres", trust_up_axis=True, skeletons=skeletons)
    )
    return f"{len(files)} files; {frames} frames read of {len(tried)}"


def base_model(folder: Path, *, holds_text: bool) -> str:
    """A whole multi-view model; with ``holds_text`` its prompt embeddings too."""
    read_index(folder)
    refuse_unfitting(folder)
    unet = load_unet(folder, torch.float16)
    networks = (unet, *load_encoders(folder, torch.float16))
    load_schedule(folder)
    if holds_text:
        load_text_embeddings(folder, unet.num_views, int(unet.config.cross_attention_dim))
    side = int(unet.config.sample_size)
    return f"{unet.num_views} views of {side} x {side} latents, {_millions(*networks)} million parameters"


def vae(folder: Path) -> str:
    """Of a multi-view model's folder, the VAE alone."""
    return f"VAE of {_millions(load_vae(folder, torch.float16))} million parameters"


def prompts(folder: Path, base: Path) -> str:
    """Prompt embeddings; where the base is not there, they cannot be compared with it."""
    if base.is_dir():
        unet = outline_unet(base)
        views, width = unet.num_views, int(unet.config.cross_attention_dim)
    else:
        (first,) = read_tensors(folder / TEXT_FILES[0]).values()
        views, width = first.shape[0], first.shape[-1]
    text = load_text_embeddings(folder, views, width)
    compared = "" if base.is_dir() else ", not compared with the base, which is missing"
    return f"{tuple(text.shape)} (domain, view, token, feature){compared}"


def mimo(folder: Path) -> str:
    """MIMO's ``pretrained_weights``."""
    _, origins = load_mimo(folder)
    return f"{sum(origin.tensors for origin in origins)} tensors of {len({origin.file for origin in origins})} files"


def colors(path: Path, body_file: Path | None) -> str:
    """MIMO's colours of the vertices of a body, by default SMPL-X's."""
    vertices = len(read_model_file(body_file).arrays["v_template"]) if body_file else _SMPLX_VERTICES
    return f"{len(read_color_table(path, vertices))} colours"


def photos(folder: Path) -> str:
    """Cut-out photos; the first is read."""
    found = list_photos(folder)
    read_photo(found[0])
    return f"{len(found)} photos"


def backbone(path: Path, name: Literal["squeeze", "alex", "vgg"]) -> str:
    """Torchvision's state dict of LPIPS's network."""
    PerceptualDistance(name, path)
    sha256 = file_sha256(path)
    whose = "torchvision's own file" if sha256.startswith(_BACKBONES[name]) else "not torchvision's own file"
    return f"{name}, sha256 {sha256[:12]}, {whose}"


def scans(folder: Path, source: ScanSource, limits: ScanChecks) -> str:
    """Scans of ``source``, in ``folder``; all are listed and the first mesh is read."""
    listed = list_scans([source])
    unfitted = [scan.scan_id for scan in listed if not scan.fit.is_file()]
    if unfitted:
        raise InputError(
            f"{len(unfitted)} of {len(listed)} scans are without their SMPL-X fit", file=folder,
            field="scans", value=unfitted[:3], remedy="unpack the dataset's fits below the same folder: docs/scans.md",
        )  # fmt: skip
    read_mesh(listed[0].mesh, listed[0].texture, limits)
    return f"{len(listed)} scans with fits, layout {listed[0].layout}"


def shards(location: Path) -> str:
    """A finished dataset: its manifest, and that no shard is missing or truncated."""
    manifest = read_manifest(location)
    check_sizes(location, manifest.shards)
    return f"{len(manifest.shards)} shards, none missing or truncated"


def conditions(folder: Path, base: Path) -> str:
    """Conditions of the base's encoders."""
    ConditionStore(folder, base)
    return "conditions of this base"


def latents(folder: Path, model: Path) -> str:
    """Latents of the model's VAE."""
    return f"latents of {len(read_latents_record(folder, model).files)} shards by this VAE"


def predictor(path: Path) -> str:
    """A skeleton predictor."""
    found = SkeletonPredictor.load(path)
    return f"latents of {found.config.latent_size}^2, maps of {found.config.map_size}^2, {_millions(found)} million"


def estimator(path: Path) -> str:
    """A pose estimator."""
    return f"{_millions(PoseEstimator.load(path))} million parameters"


def _millions(*networks: nn.Module) -> str:
    return f"{sum(p.numel() for network in networks for p in network.parameters()) / 1e6:.1f}"
