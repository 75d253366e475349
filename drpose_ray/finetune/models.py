"""The model and the reward as far as Algorithm 1 looks into them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.ddim import DdimSampler, Denoiser
from drpose_ray.diffusion.published.text_embeddings import load_text_embeddings
from drpose_ray.finetune.batch_reward import BatchReward, load_batch_reward
from drpose_ray.finetune.checkpoint.model_card import write_card
from drpose_ray.finetune.conditions.store import ConditionStore
from drpose_ray.finetune.engine.reference import place_reference
from drpose_ray.finetune.rollout import Roller
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig


@dataclass(frozen=True)
class TrainingModels:
    """All on one device and free of dropout. A condition is sliced over its objects: ``condition[slice]``."""

    denoiser: nn.Module  # trained, where it requires gradients
    frozen_denoiser: Denoiser  # as the denoiser was at the beginning, for the KL term
    encode_condition: Callable[[PosedPeople], object]  # of pairs that are trained on; stored ones where there are
    encode_images: Callable[[PosedPeople], object]  # of any pairs, from their images
    pose_score: BatchReward
    sampler: DdimSampler
    latent_shape: tuple[int, int, int, int, int]  # (M, V, 4, h, w) of one object
    device: torch.device
    decode: Callable[[torch.Tensor], torch.Tensor]  # latents -> images (M, B, V, 3, s, s) in [0, 1]
    export: Callable[[dict[str, torch.Tensor], Path, int], None]  # publish the weights after so many iterations


def load_models(
    config: FinetuneConfig, distance: DistanceConfig, device: torch.device, seed: int = 0
) -> TrainingModels:
    """The I2MV model of ``config.model.base`` and the PoseScore of ``config.reward.predictor``.

    Raises InputError if a file is missing or the predictor was trained on latents of another size.
    """
    # Here, as they import diffusers, transformers and peft: seconds.
    from drpose_ray.diffusion.i2mv import ImageToMultiView
    from drpose_ray.diffusion.published.export import export_finetuned
    from drpose_ray.diffusion.published.layout import load_encoders, load_schedule, load_unet, refuse_unfitting
    from drpose_ray.finetune.conditions.encode import fit_input
    from drpose_ray.finetune.engine.lora import add_lora, merge_lora

    refuse_unfitting(config.model.base)
    unet = load_unet(config.model.base, dtype=getattr(torch, config.model.precision)).requires_grad_(True)
    text = load_text_embeddings(
        config.model.text_embeddings or config.model.base, unet.num_views, int(unet.config.cross_attention_dim)
    ).to(device, torch.float32)
    denoiser = add_lora(unet, config.model.lora_rank, seed) if config.model.lora_rank else unet
    if config.parallel.block_checkpointing:
        unet.enable_gradient_checkpointing()
    frozen = place_reference(denoiser, config.parallel.reference, device) if config.algorithm.kl_weight else _not_needed
    schedule = load_schedule(config.model.base)

    @functools.cache
    def encoders() -> ImageToMultiView:
        """VAE and image encoder, loaded when first needed: not at all with stored conditions and nothing held out."""
        vae, image_encoder = load_encoders(config.model.base)
        for part in (vae, image_encoder):
            part.to(device).eval().requires_grad_(False)
        return ImageToMultiView(unet, vae, image_encoder, schedule, text)

    def encode_images(batch: PosedPeople) -> Condition:
        return encoders().encode_condition(fit_input(encoders(), batch.input_images))

    stored = None
    if config.data.conditions:
        dataset = manifest_sha256(config.data.dataset) if config.data.dataset else None
        stored = ConditionStore(config.data.conditions, config.model.base, dataset)

    def encode_condition(batch: PosedPeople) -> Condition:
        return stored.look_up(batch.sample_ids, text) if stored else encode_images(batch)

    def export(weights: dict[str, torch.Tensor], folder: Path, iterations: int) -> None:
        card = write_card(config, config.data.dataset, iterations, folder.parent)
        export_finetuned(config.model.base, merge_lora(weights), folder, config.export.precision, card)

    return TrainingModels(
        denoiser=denoiser.to(device),
        frozen_denoiser=frozen,
        encode_condition=encode_condition,
        encode_images=encode_images,
        pose_score=_elsewhere if config.reward.actor_gpus is not None else load_batch_reward(config, distance, device),
        sampler=DdimSampler(schedule, config.algorithm.num_sampling_steps, config.algorithm.eta),
        latent_shape=unet.latent_shape,
        device=device,
        decode=lambda latents: encoders().decode(latents),
        export=export,
    )


def load_roller(seed: int, config: FinetuneConfig, device: torch.device) -> Roller:
    """What a rollout actor needs of the model: the denoiser as it is trained, the sampler, nothing else."""
    from drpose_ray.diffusion.published.layout import load_schedule, load_unet, refuse_unfitting
    from drpose_ray.finetune.engine.lora import add_lora

    refuse_unfitting(config.model.base)
    unet = load_unet(config.model.base, dtype=getattr(torch, config.model.precision))
    denoiser = add_lora(unet, config.model.lora_rank, seed) if config.model.lora_rank else unet
    sampler = DdimSampler(load_schedule(config.model.base), config.algorithm.num_sampling_steps, config.algorithm.eta)
    return Roller(denoiser.requires_grad_(False).to(device), sampler, unet.latent_shape, device)


def _elsewhere(_latents_x0: torch.Tensor, _batch: PosedPeople) -> torch.Tensor:
    raise AssertionError("a remote reward is asked through its actor")


def _not_needed(_latents: torch.Tensor, _timestep: int, _condition: object) -> torch.Tensor:
    raise AssertionError("no KL term, no initial model")
