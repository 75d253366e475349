"""The temporal module against the formula of docs/facts/mimo.md, 1.2, written out with plain tensors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.networks.temporal import TemporalModule

FRAMES, ROWS, CHANNELS = 5, 2, 32


@pytest.fixture
def module() -> TemporalModule:
    torch.manual_seed(1)
    return TemporalModule(CHANNELS).double().requires_grad_(False)


def features() -> torch.Tensor:
    # Frames of different spread, so that statistics over all of them are not those of each.
    x = torch.randn(ROWS, FRAMES, CHANNELS, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return (x * torch.arange(1, FRAMES + 1)[:, None, None, None]).flatten(0, 1)


def literal(module: TemporalModule, x: torch.Tensor) -> torch.Tensor:
    """docs/facts/mimo.md, 1.2: one pixel of one row at a time."""
    outer = module.temporal_transformer
    inner = outer.transformer_blocks[0]
    y = torch.stack([F.group_norm(frame[None], 32, outer.norm.weight, outer.norm.bias, 1e-6)[0] for frame in x])
    y = outer.proj_in(y.flatten(2).transpose(1, 2))
    for norm, attention in zip(inner.norms, inner.attention_blocks, strict=True):
        update = torch.zeros_like(y)
        for row in range(ROWS):
            of_row = slice(row * FRAMES, (row + 1) * FRAMES)
            for pixel in range(y.shape[1]):
                z = F.layer_norm(y[of_row, pixel], (CHANNELS,), norm.weight, norm.bias, 1e-5)
                z = z + attention.pos_encoder.pe[0, :FRAMES]
                heads = []
                for head in range(8):
                    d = slice(head * CHANNELS // 8, (head + 1) * CHANNELS // 8)
                    q, k, v = (z @ p.weight[d].T for p in (attention.to_q, attention.to_k, attention.to_v))
                    heads.append(torch.softmax(q @ k.T / (CHANNELS // 8) ** 0.5, -1) @ v)
                update[of_row, pixel] = attention.to_out[0](torch.cat(heads, -1))
        y = y + update
    hidden, gate = inner.ff.net[0].proj(inner.ff_norm(y)).chunk(2, -1)
    y = y + inner.ff.net[2](hidden * F.gelu(gate))
    return x + outer.proj_out(y).transpose(1, 2).reshape(x.shape)


def test_it_is_the_formula_of_the_facts(module: TemporalModule) -> None:
    x = features()
    torch.testing.assert_close(module(x, FRAMES), literal(module, x), rtol=0, atol=1e-10)


def test_group_norm_sees_one_frame_at_a_time(module: TemporalModule) -> None:
    for attention in module.temporal_transformer.transformer_blocks[0].attention_blocks:
        attention.to_out[0].weight.zero_()  # the only way from frame to frame that may exist
    x = features()
    changed = x.clone()
    changed[1] = changed[1] * 9 + 3
    torch.testing.assert_close(module(x, FRAMES)[0], module(changed, FRAMES)[0], rtol=0, atol=0)


def test_positions_are_interleaved_sines_and_cosines(module: TemporalModule) -> None:
    attention = module.temporal_transformer.transformer_blocks[0].attention_blocks[0]
    table = attention.pos_encoder.pe[0]
    assert table.shape == (32, CHANNELS)
    for position, channel in ((0, 0), (3, 4), (31, 30)):
        angle = torch.tensor(position / 10000 ** (channel / CHANNELS), dtype=torch.float64)
        assert table[position, channel] == pytest.approx(angle.sin().item(), abs=1e-5)
        assert table[position, channel + 1] == pytest.approx(angle.cos().item(), abs=1e-5)


def test_more_frames_than_positions_are_refused(module: TemporalModule) -> None:
    with pytest.raises(InputError, match="at most 32 frames"):
        module(torch.zeros(33, CHANNELS, 1, 1, dtype=torch.float64), 33)
