"""The spatial transformer block as MIMO runs it, kept as the slow reference (docs/facts/mimo.md, 1.7).

Same numbers as ``SpatialBlock``: the photo's tokens are projected at every call, for every frame and for the
unconditional rows too, which are then attended to a second time without them.
"""

from __future__ import annotations

import torch

from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.spatial_block import Reading, SpatialBlock, attend


class LiteralBlock(SpatialBlock):
    """Nothing is kept of the photo but its tokens."""

    def project(self, bank: torch.Tensor) -> torch.Tensor:
        return bank

    def _attend_self(self, x: torch.Tensor, reading: Reading | None) -> torch.Tensor:
        if reading is None:
            return attend(self.attn1, x, x)
        alone = len(x) // reading.num_frames - len(reading.photo)
        # The original has a row of the bank for each row of the batch; those of unconditional rows are not used.
        photo = torch.cat([reading.photo[:1].expand(alone), reading.photo])
        bank = reading.stored[self.path][photo].repeat_interleave(reading.num_frames, 0)
        attended = attend(self.attn1, x, torch.cat([x, bank], 1))
        unconditional = x[: alone * reading.num_frames]
        if len(unconditional):
            attended[: len(unconditional)] = attend(self.attn1, unconditional, unconditional)
        return attended

    def _attend_context(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return attend(self.attn2, self.norm2(x), context)


class LiteralDenoisingUNet(DenoisingUNet):
    """``DenoisingUNet`` of literal blocks; the same parameters."""

    block_class = LiteralBlock
