"""The architecture against the published files' tensor counts, and its face view and cameras written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.unet.multiview_block import blend_face_into_front
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from tests.diffusion.published_configs import ERA3D_FULL, ERA3D_ORTHO_FULL, ERA3D_TINY, PSHUMAN_FULL, PSHUMAN_TINY


def random_network(config: dict[str, Any], seed: int = 0) -> MultiViewUNet:
    """With the row attention away from its zero start, which would hide mistakes in it."""
    torch.manual_seed(seed)
    network = MultiViewUNet(**config)
    for name, parameter in network.named_parameters():
        if "attn_mv.to_out" in name or "camera_embedding.linear_2.bias" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def random_inputs(network: MultiViewUNet, objects: int = 2, seed: int = 1) -> tuple[torch.Tensor, Condition]:
    g = torch.Generator().manual_seed(seed)
    side, views = int(network.config.sample_size), network.num_views

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g)

    condition = Condition(
        draw(2, objects, views, 4, side, side),
        draw(2, objects, views, int(network.config.projection_class_embeddings_input_dim)),
        draw(2, views, 9, int(network.config.cross_attention_dim)),
    )
    return draw(2, objects, views, 4, side, side), condition


@pytest.mark.parametrize(
    ("config", "tensors", "parameters"),
    [(PSHUMAN_FULL, 802, 919_783_684), (ERA3D_FULL, 838, 947_664_646), (ERA3D_ORTHO_FULL, 802, 919_783_684)],
    ids=["pshuman", "era3d", "era3d-ortho"],
)
def test_full_size_has_the_published_tensors(config: dict[str, Any], tensors: int, parameters: int) -> None:
    with torch.device("meta"):
        network = MultiViewUNet(**config)
    state = network.state_dict()
    assert len(state) == tensors
    assert sum(p.numel() for p in network.parameters()) == parameters
    for prefix, width in {
        "down_blocks.0.attentions.1": 320, "down_blocks.2.attentions.0": 1280, "mid_block.attentions.0": 1280,
        "up_blocks.1.attentions.2": 1280, "up_blocks.3.attentions.0": 320,
    }.items():  # fmt: skip
        block = f"{prefix}.transformer_blocks.0"
        for name, shape in {
            "norm_mv.weight": (width,), "norm_mv.bias": (width,), "attn_mv.to_q.weight": (width, width),
            "attn_mv.to_k.weight": (width, width), "attn_mv.to_v.weight": (width, width),
            "attn_mv.to_out.0.weight": (width, width), "attn_mv.to_out.0.bias": (width,),
            "attn2.to_k.weight": (width, 1024),
        }.items():  # fmt: skip
            assert tuple(state[f"{block}.{name}"].shape) == shape
    assert sum(".attn_mv." in key or ".norm_mv." in key for key in state) == 16 * 7
    assert tuple(state["conv_in.weight"].shape) == (320, 8, 3, 3)
    assert tuple(state["class_embedding.linear_1.weight"].shape) == (1280, 2048)


def test_regressors_have_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        state = MultiViewUNet(**ERA3D_FULL).state_dict()
    assert tuple(state["camera_embedding.linear_1.weight"].shape) == (1280, 4)
    assert tuple(state["camera_embedding.linear_2.weight"].shape) == (1280, 1280)
    for which in ("elevation", "focal"):
        assert tuple(state[f"{which}_regressor.linear_in.0.weight"].shape) == (1280, 2560)
        assert tuple(state[f"{which}_regressor.blocks.2.linear2.weight"].shape) == (1280, 1280)
        assert tuple(state[f"{which}_regressor.linear_out.weight"].shape) == (1, 1280)


def test_tiny_pshuman_has_the_published_test_size() -> None:
    assert sum(p.numel() for p in MultiViewUNet(**PSHUMAN_TINY).parameters()) == 2_000_708


def test_the_face_is_blended_as_bilinear_resizing_would_and_gets_no_gradient() -> None:
    g = torch.Generator().manual_seed(0)
    side, views = 12, 7
    x = torch.randn(2 * views, side * side, 5, generator=g, dtype=torch.float64).requires_grad_()
    blended = blend_face_into_front(x, views).view(2, views, side, side, 5)
    images = x.view(2, views, side, side, 5)
    resized = F.interpolate(images[:, 6].permute(0, 3, 1, 2), (4, 4), mode="bilinear", align_corners=False)
    expected = images.detach().clone()
    expected[:, 0, :4, 4:8] = 0.5 * expected[:, 0, :4, 4:8] + 0.5 * resized.detach().permute(0, 2, 3, 1)
    torch.testing.assert_close(blended.detach(), expected)
    blended[:, 0].sum().backward()
    gradient = x.grad.view(2, views, side, side, 5)  # type: ignore[union-attr]
    assert not gradient[:, 6].any()
    assert (gradient[:, 0, :4, 4:8] == 0.5).all()
    assert (gradient[:, 0, 4:] == 1).all()


def test_the_face_view_reaches_the_front_in_each_domain_and_no_other_view_in_one_block() -> None:
    network = random_network(PSHUMAN_TINY)
    block = network.down_blocks[0].attentions[0].transformer_blocks[0]
    g = torch.Generator().manual_seed(2)
    x, text = torch.randn(2 * 7, 24 * 24, 32, generator=g), torch.randn(2 * 7, 9, 40, generator=g)
    changed = x.clone()
    changed[6] = torch.randn(changed[6].shape, generator=g)  # the face, normals
    moved = (block(changed, None, text) - block(x, None, text)).abs().amax(-1).view(2, 7, 24, 24)
    front = moved[:, 0].clone()
    assert (front[:, :8, 8:16] > 0).all()
    assert (moved[:, 6] > 0).all(), "both domains of the face itself"
    rows_with_the_head = moved[:, 1:6, :8].amax((-1, -2))
    assert (rows_with_the_head > 0).all(), "the front view's head rows pass it on through the row attention"
    assert (moved[:, :6, 8:] == 0).all(), "below the head nothing knows of the face yet"


def test_cameras_are_regressed_from_both_domains_and_steer_the_up_blocks() -> None:
    network = random_network(ERA3D_TINY)
    latents, condition = random_inputs(network)
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        network.mid_block.register_forward_hook(lambda _m, _a, out: seen.update(middle=out)),
        network.up_blocks[0].register_forward_pre_hook(lambda _m, _a, kw: seen.update(up=kw["temb"]), with_kwargs=True),
        network.down_blocks[0].register_forward_pre_hook(lambda _m, a: seen.update(down=a[1])),
    ]
    output, cameras = network.forward_with_cameras(latents, 300, condition)
    for hook in hooks:
        hook.remove()
    assert output.shape == latents.shape
    assert cameras is not None and cameras.shape == (2, 2)
    pooled = seen["middle"].mean((2, 3)).view(2, 2, 6, -1)  # (domain, object, view, C)
    by_hand = torch.zeros(2, 2)
    for o in range(2):
        for i, name in enumerate(("elevation", "focal")):
            regressor = getattr(network, f"{name}_regressor")
            each = [regressor(torch.cat([pooled[0, o, v], pooled[1, o, v]])[None]) for v in range(6)]
            by_hand[o, i] = torch.stack(each).mean()
    torch.testing.assert_close(cameras, by_hand, rtol=1e-5, atol=1e-6)
    added = (seen["up"] - seen["down"]).view(2, 2, 6, -1)
    for o in range(2):
        elevation, focal = by_hand[o]
        expected = network.camera_embedding(torch.stack([elevation.sin(), focal.sin(), elevation.cos(), focal.cos()]))
        torch.testing.assert_close(added[:, o], expected.expand(2, 6, -1), rtol=1e-4, atol=1e-5)


def test_without_regressors_the_loop_is_the_stock_unet() -> None:
    """Our forward pass against diffusers' own, whose blocks these are."""
    network = random_network({**ERA3D_TINY, "regress_elevation": False, "regress_focal_length": False})
    latents, condition = random_inputs(network)
    flat = condition.flatten()
    stock = super(MultiViewUNet, network).forward(
        torch.cat([latents.flatten(0, 2), flat.image_latents], 1), torch.tensor(300),
        encoder_hidden_states=flat.text, class_labels=flat.class_labels,
    ).sample  # fmt: skip
    torch.testing.assert_close(network(latents, 300, condition), stock.view(latents.shape))


@pytest.mark.parametrize(
    ("field", "value"),
    [("selfattn_block", "custom"), ("cd_attention_last", True), ("use_dino", True), ("num_views", None)],
)
def test_flags_of_another_network_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=field):
        MultiViewUNet(**{**ERA3D_TINY, field: value})


def test_fields_nobody_knows_are_named_in_a_warning() -> None:
    with pytest.warns(UserWarning, match="holographic"):
        MultiViewUNet(**{**ERA3D_TINY, "holographic": True})


@pytest.mark.parametrize(
    ("config", "side", "multiple"), [(PSHUMAN_TINY, 32, 24), (ERA3D_TINY, 12, 8)], ids=["pshuman", "era3d"]
)
def test_sizes_that_do_not_divide_are_refused(config: dict[str, Any], side: int, multiple: int) -> None:
    network = random_network({**config, "sample_size": side})
    latents, condition = random_inputs(network)
    with pytest.raises(InputError, match=f"multiple of {multiple}"):
        network(latents, 300, condition)


def test_block_checkpointing_changes_no_number() -> None:
    network = random_network(PSHUMAN_TINY)
    latents, condition = random_inputs(network, objects=1)
    gradients = []
    for checkpointing in (False, True):
        network.train().requires_grad_(True)
        if checkpointing:
            network.enable_gradient_checkpointing()
        network.zero_grad()
        network(latents, 300, condition).square().mean().backward()
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-5, atol=1e-8)
