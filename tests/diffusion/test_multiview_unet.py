"""The multi-view U-Net against its description, by who can see whom and by a slow literal block."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.i2mv import GuidedDenoiser
from drpose_ray.diffusion.unet.multiview_block import MultiViewTransformerBlock
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet

M, B, V, SIDE = 2, 2, 6, 8


@pytest.fixture(scope="module")
def unet() -> MultiViewUNet:
    torch.manual_seed(0)
    network = MultiViewUNet(
        num_views=V, sample_size=SIDE, in_channels=8, out_channels=4, block_out_channels=[16, 32], layers_per_block=1,
        attention_head_dim=[2, 4], down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"], norm_num_groups=4, cross_attention_dim=20,
        use_linear_projection=True, class_embed_type="projection", projection_class_embeddings_input_dim=12,
    )  # fmt: skip
    for name, parameter in network.named_parameters():
        if "attn_mv.to_out" in name:  # zero at the start, which would hide a broken row attention
            torch.nn.init.normal_(parameter, std=0.3)
    return network.double().eval().requires_grad_(False)


@pytest.fixture
def inputs() -> tuple[torch.Tensor, Condition]:
    g = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    return draw(M, B, V, 4, SIDE, SIDE), Condition.from_inputs(
        draw(B, 1, 4, SIDE, SIDE), draw(B, 1, 12), draw(M, V, 5, 20)
    )


def block_of(unet: MultiViewUNet) -> MultiViewTransformerBlock:
    block = unet.down_blocks[0].attentions[0].transformer_blocks[0]
    assert isinstance(block, MultiViewTransformerBlock)
    return block


def attention(layer: torch.nn.Module, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Textbook multi-head attention of one sequence (L, C) over another, head by head."""
    heads = layer.heads
    q, k, v = layer.to_q(x), layer.to_k(context), layer.to_v(context)
    outs = []
    for qh, kh, vh in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        outs.append(torch.softmax(qh @ kh.T / qh.shape[-1] ** 0.5, -1) @ vh)
    return layer.to_out[0](torch.cat(outs, -1))


def test_the_block_is_its_description_written_out(unet: MultiViewUNet) -> None:
    """Joint normal-colour attention per image, then row attention over views, then text, then feed-forward."""
    block = block_of(unet)
    g = torch.Generator().manual_seed(2)
    x = torch.randn(M, B, V, SIDE * SIDE, 16, generator=g, dtype=torch.float64)
    text = torch.randn(M, B, V, 5, 20, generator=g, dtype=torch.float64)
    expected = x.clone()
    normed = block.norm1(x)
    for b in range(B):
        for v in range(V):
            pair = torch.cat([normed[0, b, v], normed[1, b, v]])
            expected[:, b, v] += torch.stack(attention(block.attn1, pair, pair).chunk(2))
    normed = block.norm_mv(expected)
    update = torch.zeros_like(expected)
    for m in range(M):
        for b in range(B):
            for row in range(SIDE):
                tokens = slice(row * SIDE, (row + 1) * SIDE)
                line = normed[m, b, :, tokens].reshape(V * SIDE, 16)
                update[m, b, :, tokens] = attention(block.attn_mv, line, line).view(V, SIDE, 16)
    expected = expected + update
    for m in range(M):
        for b in range(B):
            for v in range(V):
                expected[m, b, v] += attention(block.attn2, block.norm2(expected[m, b, v]), text[m, b, v])
    expected = expected + block.ff(block.norm3(expected))
    actual = block(x.flatten(0, 2), encoder_hidden_states=text.flatten(0, 2)).view(x.shape)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_objects_of_a_batch_do_not_see_each_other(unet: MultiViewUNet, inputs: tuple[torch.Tensor, Condition]) -> None:
    latents, condition = inputs
    together = unet(latents, 300, condition)
    for b in range(B):
        alone = unet(latents[:, b : b + 1], 300, condition[b : b + 1])
        torch.testing.assert_close(together[:, b : b + 1], alone)


def test_views_and_domains_of_one_object_do_see_each_other(
    unet: MultiViewUNet, inputs: tuple[torch.Tensor, Condition]
) -> None:
    latents, condition = inputs
    changed = latents.clone()
    changed[0, 0, 2] += 1.0
    moved = (unet(changed, 300, condition) - unet(latents, 300, condition)).abs().amax((-3, -2, -1))
    assert (moved[:, 0] > 1e-6).all(), "every view of both domains of object 0"
    assert (moved[:, 1] == 0).all()


def test_a_timestep_per_domain_and_object_is_used_for_all_its_views(
    unet: MultiViewUNet, inputs: tuple[torch.Tensor, Condition]
) -> None:
    latents, condition = inputs
    mixed = unet(latents, torch.tensor([[100, 700], [100, 700]]), condition)
    torch.testing.assert_close(mixed[:, 0], unet(latents, 100, condition)[:, 0])
    torch.testing.assert_close(mixed[:, 1], unet(latents, 700, condition)[:, 1])


def test_only_the_text_tells_views_apart(unet: MultiViewUNet, inputs: tuple[torch.Tensor, Condition]) -> None:
    latents, condition = inputs
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = Condition(condition.image_latents, condition.class_labels, condition.text[:, order])
    torch.testing.assert_close(unet(latents[:, :, order], 300, permuted), unet(latents, 300, condition)[:, :, order])


def test_keys_are_the_published_ones(unet: MultiViewUNet) -> None:
    keys = {k.split("transformer_blocks.0.")[1] for k in unet.state_dict() if "transformer_blocks.0." in k}
    added = {"norm_mv.weight", "norm_mv.bias", "attn_mv.to_out.0.weight", "attn_mv.to_out.0.bias"} | {
        f"attn_mv.to_{x}.weight" for x in "qkv"
    }
    assert added <= keys
    assert {k for k in keys if "_mv" in k} == added


def test_a_new_block_adds_only_a_bias_through_its_row_attention() -> None:
    torch.manual_seed(0)
    network = MultiViewUNet(
        num_views=V, sample_size=SIDE, in_channels=8, out_channels=4, block_out_channels=[16], layers_per_block=1,
        attention_head_dim=[2], down_block_types=["CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D"],
        norm_num_groups=4, cross_attention_dim=20, projection_class_embeddings_input_dim=12,
    )  # fmt: skip
    for name, parameter in network.named_parameters():
        if "attn_mv.to_out.0.weight" in name:
            assert not parameter.any()


def test_guidance_extrapolates_from_the_dropped_condition(
    unet: MultiViewUNet, inputs: tuple[torch.Tensor, Condition]
) -> None:
    latents, condition = inputs
    given, dropped = unet(latents, 300, condition), unet(latents, 300, condition.dropped())
    torch.testing.assert_close(GuidedDenoiser(unet, 3.0)(latents, 300, condition), dropped + 3 * (given - dropped))
    assert not torch.allclose(given, dropped)
    assert F.mse_loss(GuidedDenoiser(unet, 1.0)(latents, 300, condition), given) < 1e-20
