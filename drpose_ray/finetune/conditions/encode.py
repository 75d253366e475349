"""The conditions of one shard of pairs, by the model's own VAE and image encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F

from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.shards.open_shard import read_shard
from drpose_ray.diffusion.i2mv import ImageToMultiView
from drpose_ray.diffusion.published.layout import load_encoders, load_schedule, outline_unet, refuse_unfitting
from drpose_ray.diffusion.published.text_embeddings import load_text_embeddings
from drpose_ray.finetune.conditions.store import condition_file, write_conditions
from drpose_ray.finetune.data import collate


class ShardEncoder:
    """Holds the encoders; encodes shard after shard."""

    def __init__(
        self,
        model: Path,
        text_embeddings: Path | None,
        dataset: Path,
        output: Path,
        samples_per_call: int,
        device: torch.device,
    ) -> None:
        refuse_unfitting(model)
        unet = outline_unet(model)  # which inputs there are is all that conditions need of it
        vae, image_encoder = load_encoders(model)
        for part in (vae, image_encoder):
            part.to(device)
        text = load_text_embeddings(text_embeddings or model, unet.num_views, int(unet.config.cross_attention_dim))
        text = text.to(device, torch.float32)
        self._model = ImageToMultiView(unet, vae, image_encoder, load_schedule(model), text).freeze()
        self._rows = {row.name: row for row in read_manifest(dataset).shards}
        self._dataset, self._output, self._samples_per_call = dataset, output, samples_per_call

    @torch.no_grad()
    def encode(self, shard_name: str) -> None:
        """Publish the conditions of that shard's ok frames. Raises InputError if the shard is torn."""
        frames = list(read_shard(self._dataset, self._rows[shard_name]))
        ids: list[str] = []
        latents, labels = [], []
        for start in range(0, len(frames), self._samples_per_call):
            batch = collate(frames[start : start + self._samples_per_call])
            encoded, embeddings = self._model.encode_inputs(fit_input(self._model, batch.input_images))
            ids += batch.sample_ids
            latents.append(encoded)
            labels.append(self._model.image_encoder.class_labels(embeddings))
        write_conditions(condition_file(self._output, shard_name), ids, torch.cat(latents), torch.cat(labels))


def fit_input(model: ImageToMultiView, images: torch.Tensor) -> torch.Tensor:
    """Input images (B, 3, H, W) at the model's size, on its device."""
    if images.shape[-1] != model.image_size:
        images = F.interpolate(images, (model.image_size, model.image_size), mode="area")
    return images.to(model.text.device)
