"""The small I2MV base model, from scratch: VAE, then U-Net and image encoder, on rendered people.

drpose base fit --config configs/weights.yaml

The paper starts from PSHuman or Era3D; this trains their small twin. Killed and started again, it resumes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drpose_ray.core.device import choose_device
from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.origin import continue_as
from drpose_ray.core.runs.run import Run, RunSettings, Summary, open_run, read_metrics
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.core.training.settings import FitSettings
from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.diffusion.config import BaseFitConfig, VaeFitConfig, small_architecture

if TYPE_CHECKING:
    import torch

    from drpose_ray.core.training.checkpoint import Checkpoint
    from drpose_ray.core.training.fit import OnUpdate
    from drpose_ray.diffusion.i2mv import ImageToMultiView
    from drpose_ray.diffusion.small.fit_base import MultiViewLatents


class BaseConfig(Config):
    """The ``base:`` section."""

    COMMON = ("multiview_shards",)

    multiview_shards: tuple[Path, ...] = Field(default=(), description="Folders of six-view shards to train on.")
    num_held_out: int = Field(
        default=200, ge=1, description="Number of people at the end of the data that are kept for measuring."
    )
    vae: VaeFitConfig = VaeFitConfig()
    unet: BaseFitConfig = BaseFitConfig()


class FitBaseConfig(Config):
    """Settings of jobs/fit_base.py."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed", "device"),
    }

    run: RunSettings = RunSettings()
    base: BaseConfig = BaseConfig()


class FitBaseSummary(Summary):
    """What jobs/fit_base.py reports, on held-out people."""

    model: str
    num_people: int
    vae_psnr_color_db: float
    vae_psnr_normal_db: float
    final_loss: float


CONFIG, SUMMARY = FitBaseConfig, FitBaseSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    config = load_config(CONFIG, argv)

    from drpose_ray.datasets.multiview import read_multiview
    from drpose_ray.diffusion.published.layout import save_i2mv
    from drpose_ray.diffusion.published.model_index import MARKER
    from drpose_ray.diffusion.small.fit_base import fit_base

    base = config.base
    if not base.multiview_shards:
        raise InputError("no training data", field="base.multiview_shards", remedy="name six-view shard folders")
    folder = config.run.folder / "fit_base"
    of_vae, of_unet = _checkpoints(config, folder)
    has_vae = (folder / "vae" / MARKER).exists()
    begun = base.vae.updates + of_unet.updates_done() if has_vae else of_vae.updates_done()
    with open_run(config, folder, "fit_base", start_step=begun) as run:
        continue_as(folder / "vae_origin.json", of_vae.origin, begun=has_vae, noun="checkpoints")
        images = np.concatenate([read_multiview(path).images.movedim(-3, -1).numpy() for path in base.multiview_shards])
        training, held_out = images[: -base.num_held_out], images[-base.num_held_out :]
        model = _with_vae(config, training, folder / "vae", run, of_vae, choose_device(config.run.device))
        psnr = _through_vae_db(model, held_out)
        data = encode(model, training)
        with _reported(run, "unet", "loss", base.unet.updates, base.vae.updates) as report:
            fit_base(model, data, base.unet, config.run.seed, report, of_unet)
        save_i2mv(model, folder / "i2mv")
        recent = [line["unet_loss"] for line in read_metrics(folder)[-200:] if "unet_loss" in line]
        run.finish(
            FitBaseSummary(
                model="i2mv",
                num_people=len(training),
                vae_psnr_color_db=psnr[1],
                vae_psnr_normal_db=psnr[0],
                final_loss=sum(recent) / len(recent),
            )
        )
        of_vae.remove()
        of_unet.remove()


def _checkpoints(config: FitBaseConfig, folder: Path) -> tuple[Checkpoint, Checkpoint]:
    """Of the VAE's training and of the U-Net's: each is gone on from only if this run would have made it."""
    from drpose_ray.core.training.checkpoint import Checkpoint

    base = config.base
    of_vae = {
        "seed": config.run.seed,
        "architecture": small_architecture(),
        "base.multiview_shards": [manifest_sha256(path) for path in base.multiview_shards],
        "base.num_held_out": base.num_held_out,
        **_dotted("base.vae", base.vae),
    }
    of_unet = of_vae | _dotted("base.unet", base.unet)
    parts = {"vae": of_vae, "unet": of_unet}
    vae, unet = (Checkpoint(folder / f"{part}_checkpoint.safetensors", origin) for part, origin in parts.items())
    return vae, unet


def _dotted(name: str, settings: FitSettings) -> dict[str, Any]:
    return {f"{name}.{key}": value for key, value in settings if key != "checkpoint_every"}


def _with_vae(
    config: FitBaseConfig,
    images: NDArray[np.uint8],
    folder: Path,
    run: Run,
    checkpoint: Checkpoint,
    device: torch.device,
) -> ImageToMultiView:
    """The untrained model with a trained VAE, taken from ``folder`` if an earlier attempt got that far."""
    import torch

    from drpose_ray.diffusion.build import build_i2mv
    from drpose_ray.diffusion.published.layout import load_i2mv, save_i2mv
    from drpose_ray.diffusion.published.model_index import MARKER
    from drpose_ray.diffusion.small.fit_vae import fit_vae

    model = build_i2mv(small_architecture(), config.run.seed).to(device)
    if (folder / MARKER).exists():
        return replace(model, vae=load_i2mv(folder).vae.to(device))
    pixels = images.reshape(-1, *images.shape[3:])
    with _reported(run, "vae", "psnr_db", config.base.vae.updates) as report:
        fit_vae(model.vae, pixels, config.base.vae, config.run.seed, report, checkpoint)
    save_i2mv(model, folder, torch.float32)
    return model


def encode(model: ImageToMultiView, images: NDArray[np.uint8]) -> MultiViewLatents:
    """Latents of six-view images (N, M, V, s, s, 3) uint8, in half precision, on the CPU."""
    import torch

    from drpose_ray.diffusion.small.fit_base import MultiViewLatents

    with torch.no_grad():
        means, stds, inputs = [], [], []
        for chunk in np.array_split(images, math.ceil(len(images) / 4)):
            pixels = torch.from_numpy(chunk).float().movedim(-1, 3).to(model.text.device) / 255
            mean, std = model.vae.moments(pixels.flatten(0, 2))
            shape = (*pixels.shape[:3], *mean.shape[1:])
            means.append(mean.view(shape).half().cpu())
            stds.append(std.view(shape).half().cpu())
            inputs.append(model.image_encoder.resize(pixels[:, 1, 0]).half().cpu())
        return MultiViewLatents(torch.cat(means), torch.cat(stds), torch.cat(inputs))


def _through_vae_db(model: ImageToMultiView, images: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean PSNR in dB of encoding and decoding held-out normals and colours."""
    import torch

    from drpose_ray.metrics.images import psnr_db

    with torch.no_grad():
        means = []
        for domain in range(2):
            pixels = (
                torch.from_numpy(images[:, domain]).flatten(0, 1).movedim(-1, 1).float().to(model.text.device) / 255
            )
            each = [psnr_db(model.vae.decode(model.vae.encode(x)), x) for x in pixels.split(48)]
            means.append(float(torch.cat(each).mean()))
        return means[0], means[1]


@contextmanager
def _reported(run: Run, stage: str, metric: str, updates: int, before: int = 0) -> Iterator[OnUpdate]:
    """Log each update, numbered after those ``before`` this stage, and show the recent mean of ``metric``."""
    recent: deque[float] = deque(maxlen=100)
    with Progress(f"updates of the {stage}", updates) as progress:

        def report(update: int, metrics: Mapping[str, float]) -> None:
            run.log_metrics(before + update, {f"{stage}_{name}": value for name, value in metrics.items()})
            recent.append(metrics[metric])
            progress.step(note=f"{metric} {sum(recent) / len(recent):.3f}", left=updates - update - 1)

        yield report
