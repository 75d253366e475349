"""Keys and sizes of the published networks, on the meta device, and of the tiny one of docs/facts/mimo.md, 4."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.networks.architecture import STABLE_DIFFUSION_15, read_unet_fields
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.pose_guider import PoseGuider
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet
from tests.synthesis.mimo.tiny import GUIDER, UNET, make_model

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: E402

TEMPORAL_SUFFIXES = {
    f"temporal_transformer.{name}"
    for name in (
        *(f"{part}.{kind}" for part in ("norm", "proj_in", "proj_out") for kind in ("weight", "bias")),
        *(
            f"transformer_blocks.0.attention_blocks.{k}.{name}"
            for k in range(2)
            for name in (
                "to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias", "pos_encoder.pe",
            )
        ),
        *(f"transformer_blocks.0.norms.{k}.{kind}" for k in range(2) for kind in ("weight", "bias")),
        *(
            f"transformer_blocks.0.{part}.{kind}"
            for part in ("ff.net.0.proj", "ff.net.2", "ff_norm")
            for kind in ("weight", "bias")
        ),
    )
}  # fmt: skip


def parameters(network: nn.Module, containing: str = "") -> int:
    return sum(p.numel() for name, p in network.named_parameters() if containing in name)


@pytest.fixture(scope="module")
def full() -> dict[str, nn.Module]:
    with torch.device("meta"):
        return {
            "denoiser": DenoisingUNet(STABLE_DIFFUSION_15),
            "reference": ReferenceUNet(STABLE_DIFFUSION_15),
            "guider": PoseGuider(),
            "stock": UNet2DConditionModel(**STABLE_DIFFUSION_15),
        }


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_tensors_and_parameters_of_the_published_networks(full: dict[str, nn.Module]) -> None:
    assert [len(shapes(full[name])) for name in ("reference", "denoiser", "guider")] == [682, 1274, 16]
    assert parameters(full["reference"]) == 859_508_800
    assert parameters(full["denoiser"]) == 1_312_741_764
    assert parameters(full["denoiser"], "motion_modules") == 453_209_280
    assert parameters(full["guider"]) == 1_086_480


def test_the_reference_net_lacks_exactly_the_four_tail_tensors(full: dict[str, nn.Module]) -> None:
    stock, reference = shapes(full["stock"]), shapes(full["reference"])
    assert stock.keys() - reference.keys() == {
        f"{part}.{kind}" for part in ("conv_norm_out", "conv_out") for kind in ("weight", "bias")
    }
    assert reference.items() <= stock.items()


def test_spatial_tensors_are_stocks_and_only_the_first_convolution_is_wider(full: dict[str, nn.Module]) -> None:
    stock, denoiser = shapes(full["stock"]), shapes(full["denoiser"])
    spatial = {name: shape for name, shape in denoiser.items() if ".motion_modules." not in name}
    assert spatial == {**stock, "conv_in.weight": (320, 8, 3, 3)}


def test_temporal_tensors_have_the_published_names_and_places(full: dict[str, nn.Module]) -> None:
    temporal = {name for name in shapes(full["denoiser"]) if ".motion_modules." in name}
    places = [f"down_blocks.{i}.motion_modules.{j}" for i in range(4) for j in range(2)]
    places += ["mid_block.motion_modules.0"]
    places += [f"up_blocks.{i}.motion_modules.{j}" for i in range(4) for j in range(3)]
    assert len(places) == 21
    assert temporal == {f"{place}.{suffix}" for place in places for suffix in TEMPORAL_SUFFIXES}
    of_first = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0"
    all_shapes = shapes(full["denoiser"])
    assert all_shapes[f"{of_first}.attention_blocks.1.pos_encoder.pe"] == (1, 32, 320)
    assert all_shapes[f"{of_first}.ff.net.0.proj.weight"] == (2560, 320)
    assert all_shapes[f"{of_first}.ff.net.2.weight"] == (320, 1280)


def test_the_image_encoder_of_the_published_size_has_the_published_tensors() -> None:
    with torch.device("meta"):
        clip = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                image_size=224, patch_size=14, projection_dim=768, hidden_act="quick_gelu",
            )
        )  # fmt: skip
    assert (len(clip.state_dict()), parameters(clip)) == (392, 303_966_208)


def test_the_tiny_configuration_is_the_same_classes_at_the_sizes_of_the_facts() -> None:
    model = make_model()
    assert parameters(model.reference_unet) == 1_644_352
    assert parameters(model.denoiser) == 2_426_116
    assert parameters(model.denoiser, "motion_modules") == 779_392
    assert parameters(PoseGuider(**GUIDER)) == 9_708
    assert parameters(model.vae) == 261_079
    assert parameters(model.image_encoder) == 319_872
    assert len(model.denoiser.spatial_blocks()) == 10
    assert sum(name.endswith("pos_encoder.pe") for name in model.denoiser.state_dict()) == 2 * 13


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("class_embed_type", "projection"),
        ("down_block_types", ["SimpleCrossAttnDownBlock2D"] * 4),
        ("block_out_channels", (48, 48, 64, 64)),
        ("num_flames", 3),
    ],
)
def test_configurations_with_other_parts_are_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        read_unet_fields({**UNET, field: value})
    assert str(caught.value.field).partition(".")[0] == field
