"""The image-to-multi-view U-Net of PSHuman and Era3D: one class, from a CPU's size to 0.95 billion parameters."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.unet.camera_regressor import CameraRegressor, pool_domain_pairs
from drpose_ray.diffusion.unet.multiview_block import MultiViewTransformerBlock
from drpose_ray.diffusion.unet.unet_config import read_unet_config

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared
from diffusers.models.embeddings import TimestepEmbedding  # noqa: E402


class MultiViewUNet(UNet2DConditionModel):  # type: ignore[misc]
    """Stock ``UNet2DConditionModel`` with every transformer block replaced (docs/facts/i2mv.md, 1.1 to 1.4).

    Called as a denoiser, ``unet(latents, timestep, condition)``. The configuration decides which modules exist: seven
    views mean PSHuman's face view, the regress flags Era3D's camera regressors.
    """

    def __init__(self, **published: Any) -> None:
        """``published`` are the fields of a ``unet/config.json``. ``attention_head_dim`` is the number of heads per
        level (diffusers' old quirk). Raises InputError for flags that ask for a part the released models lack.
        """
        config = read_unet_config(published)
        super().__init__(**config.stock.arguments())
        self.num_views, self.view_set = config.num_views, config.view_set
        self.face_view = self.view_set.face
        self.fields = dict(published)
        self.side_multiple = config.side_multiple
        for wrapper in [m for m in self.modules() if hasattr(m, "transformer_blocks")]:
            for i, block in enumerate(wrapper.transformer_blocks):
                wrapper.transformer_blocks[i] = MultiViewTransformerBlock(block, self.num_views, self.face_view)
        middle, embedded = config.stock.block_out_channels[-1], self.time_embedding.linear_2.out_features
        self.regressed = config.regressed
        for name in self.regressed:
            regressor = CameraRegressor(2 * middle, config.num_regress_blocks, config.regressor_width)
            self.add_module(f"{name}_regressor", regressor)
        if self.regressed:
            self.camera_embedding = TimestepEmbedding(config.camera_embedding_inputs, embedded)
            torch.nn.init.zeros_(self.camera_embedding.linear_2.bias)

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(M, V, 4, h, w) of one object."""
        side = int(self.config.sample_size)
        return 2, self.num_views, int(self.config.out_channels), side, side

    def forward(
        self, latents: Float[Tensor, "M B V C h w"], timestep: int | Int[Tensor, "M B"], condition: Condition
    ) -> Float[Tensor, "M B V C h w"]:
        """The network's output: v or noise, as the schedule says.

        Args:
            latents: of any noise level.
            timestep: 0..999, one for all, or one per domain and object, shared by the views.
            condition: of the B objects.

        Weights in half precision are called in it; the output has the latents' dtype, so that a sampler's sums can stay
        in float32.

        Raises InputError if the latents' side does not divide as the architecture needs, or V is not the model's.
        """
        return self.forward_with_cameras(latents, timestep, condition)[0]

    def forward_with_cameras(
        self, latents: Float[Tensor, "M B V C h w"], timestep: int | Int[Tensor, "M B"], condition: Condition
    ) -> tuple[Float[Tensor, "M B V C h w"], Float[Tensor, "B 2"] | None]:
        """As ``forward``, and the input cameras it regressed: elevation in radians, 24 over the focal length in
        millimetres (0 for an orthographic input). None for a model without regressors.
        """
        self._check(latents)
        domains, objects, views = latents.shape[:3]
        dtype = self.conv_in.weight.dtype
        flat = condition.flatten().to(dtype)
        embedding = self._embed(latents, timestep, flat.class_labels)

        x = self.conv_in(torch.cat([latents.flatten(0, 2).to(dtype), flat.image_latents], 1))
        skips = (x,)
        for block in self.down_blocks:
            x, states = block(x, embedding, **_text_for(block, flat.text))
            skips += states
        x = self.mid_block(x, embedding, encoder_hidden_states=flat.text)

        cameras = None
        if self.regressed:
            cameras = self._regress_cameras(x, objects)
            parts = torch.cat([torch.sin(cameras), torch.cos(cameras)], -1)
            # Only the up blocks know the camera: the down blocks came before it was regressed.
            embedding = embedding + self.camera_embedding(parts).repeat_interleave(views, 0).repeat(domains, 1)

        for block in self.up_blocks:
            skips, states = skips[: -len(block.resnets)], skips[-len(block.resnets) :]
            x = block(x, res_hidden_states_tuple=states, temb=embedding, **_text_for(block, flat.text))
        output = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return output.view(latents.shape).to(latents.dtype), cameras

    def _embed(self, latents: Tensor, timestep: int | Tensor, class_labels: Tensor) -> Tensor:
        """Time embedding plus class embedding, one row per image."""
        domains, objects, views = latents.shape[:3]
        if not isinstance(timestep, Tensor):
            timestep = torch.tensor(timestep, device=latents.device)
        per_image = timestep.expand(domains, objects)[..., None].expand(domains, objects, views).reshape(-1)
        time = self.time_embedding(self.time_proj(per_image).to(class_labels.dtype))
        return time + self.class_embedding(class_labels)  # type: ignore[no-any-return]

    def _regress_cameras(self, features: Tensor, objects: int) -> Tensor:
        pooled = pool_domain_pairs(features)
        each = [getattr(self, f"{name}_regressor")(pooled) for name in self.regressed]
        return torch.cat(each, -1).view(objects, self.num_views, len(each)).mean(1)

    def _check(self, latents: Tensor) -> None:
        _, _, views, _, height, width = latents.shape
        if views != self.num_views:
            raise InputError(
                "latents of another number of views", field="views", value=views,
                remedy=f"this model draws {self.num_views}",
            )  # fmt: skip
        if height != width or height % self.side_multiple:
            why = "its levels and the face view's thirds" if self.face_view else "its levels"
            raise InputError(
                "latents of a size that the model cannot halve", field="latents", value=f"{height} x {width}",
                remedy=f"make them square with a side that is a multiple of {self.side_multiple} ({why})",
            )  # fmt: skip


def _text_for(block: torch.nn.Module, text: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
