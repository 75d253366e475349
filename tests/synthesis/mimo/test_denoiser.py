"""The denoiser: order of its parts, what each row may see, and the kept keys against the literal form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.torchvision_ops import define_missing_operators
from drpose_ray.synthesis.mimo.networks.denoiser import DenoisingUNet
from drpose_ray.synthesis.mimo.networks.literal_block import LiteralDenoisingUNet
from drpose_ray.synthesis.mimo.networks.reference import ReferenceUNet
from drpose_ray.synthesis.mimo.networks.spatial_block import Reading
from tests.synthesis.mimo.tiny import UNET

define_missing_operators()
from diffusers import UNet2DConditionModel  # noqa: E402 - needs torchvision's operators declared

FRAMES, SIDE, SEQUENCES = 3, 13, 3  # 13 -> 7 -> 4 -> 2: no level but the last is half of the one before


@pytest.fixture(scope="module")
def denoiser() -> DenoisingUNet:
    torch.manual_seed(0)
    return DenoisingUNet(UNET).double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def reference() -> ReferenceUNet:
    torch.manual_seed(1)
    return ReferenceUNet(UNET).double().eval().requires_grad_(False)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def bank(reference: ReferenceUNet) -> dict[str, torch.Tensor]:
    """Of two photos."""
    return reference(normal(2, 4, SIDE, SIDE, seed=5), normal(2, 1, 32, seed=6))


def guided_inputs(denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Rows [unconditional of three sequences, conditional of the same]; the sequences show photos 1, 0, 1."""
    tokens = normal(SEQUENCES, 1, 32, seed=2)
    return {
        "latents": normal(SEQUENCES, FRAMES, 4, SIDE, SIDE, seed=1).repeat(2, 1, 1, 1, 1),
        "timestep": 639,
        "background": normal(4, SIDE, SIDE, seed=3),
        "context": torch.cat([torch.zeros_like(tokens), tokens]),
        "pose": normal(SEQUENCES, FRAMES, 32, SIDE, SIDE, seed=4).repeat(2, 1, 1, 1, 1),
        "reading": Reading(denoiser.project(bank), torch.tensor([1, 0, 1]), FRAMES),
    }


def rows_of(inputs: dict[str, Any], rows: slice) -> dict[str, Any]:
    return {**inputs, **{name: inputs[name][rows] for name in ("latents", "context", "pose")}}


def close(a: torch.Tensor, b: torch.Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def test_kept_keys_and_values_give_what_the_literal_form_gives(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    literal = LiteralDenoisingUNet(UNET).double().eval().requires_grad_(False)
    literal.load_state_dict(denoiser.state_dict())
    inputs, literal_inputs = guided_inputs(denoiser, bank), guided_inputs(literal, bank)
    close(denoiser(**inputs), literal(**literal_inputs))
    conditional = slice(SEQUENCES, None)  # without guidance all rows read
    close(denoiser(**rows_of(inputs, conditional)), literal(**rows_of(literal_inputs, conditional)))
    for model, given in ((denoiser, inputs), (literal, literal_inputs)):
        given["reading"] = None
        given["output"] = model(**given)
    close(inputs["output"], literal_inputs["output"])


def test_kept_keys_and_values_agree_with_the_literal_form_in_single_precision(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    models = [kind(UNET).eval().requires_grad_(False) for kind in (DenoisingUNet, LiteralDenoisingUNet)]
    single = {path: tokens.float() for path, tokens in bank.items()}
    outputs = []
    for model in models:
        model.load_state_dict(denoiser.state_dict())
        inputs = guided_inputs(model, single)
        outputs.append(model(**{k: v.float() if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}))
    assert (outputs[0] - outputs[1]).abs().max() < 1e-6 * max(1.0, float(outputs[1].abs().max()))


def test_unconditional_rows_never_see_the_photo(denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]) -> None:
    inputs = guided_inputs(denoiser, bank)
    guided = denoiser(**inputs)
    alone = denoiser(**{**rows_of(inputs, slice(SEQUENCES)), "reading": None})
    close(guided[:SEQUENCES], alone)
    other = {path: tokens + normal(*tokens.shape, seed=9) for path, tokens in bank.items()}
    inputs["reading"] = replace(inputs["reading"], stored=denoiser.project(other))
    changed = denoiser(**inputs)
    assert torch.equal(changed[:SEQUENCES], guided[:SEQUENCES])
    assert (changed[SEQUENCES:] - guided[SEQUENCES:]).abs().max() > 1e-3


def test_conditional_rows_read_their_own_photo_whoever_else_is_in_the_batch(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    inputs = guided_inputs(denoiser, bank)
    together = denoiser(**inputs)[SEQUENCES:]
    for i, photo in enumerate((1, 0, 1)):
        alone = rows_of(inputs, slice(SEQUENCES + i, SEQUENCES + i + 1))
        of_photo = {path: tokens[photo : photo + 1] for path, tokens in bank.items()}
        alone["reading"] = Reading(denoiser.project(of_photo), torch.tensor([0]), FRAMES)
        close(denoiser(**alone)[0], together[i])


def test_spatial_layers_are_stocks_frame_by_frame_at_odd_sizes(denoiser: DenoisingUNet) -> None:
    still = DenoisingUNet(UNET).double().eval().requires_grad_(False)
    still.load_state_dict(denoiser.state_dict())
    for name, parameter in still.named_parameters():
        if ".proj_out." in name and "temporal_transformer" in name:
            parameter.zero_()  # each temporal module is then the identity
    stock = UNet2DConditionModel(**{**UNET, "in_channels": 8}).double().eval().requires_grad_(False)
    stock.load_state_dict({k: v for k, v in denoiser.state_dict().items() if "motion_modules" not in k})
    latents, background, token = normal(2, FRAMES, 4, SIDE, SIDE), normal(4, SIDE, SIDE, seed=1), normal(2, 1, 32)
    pose = torch.zeros(2, FRAMES, 32, SIDE, SIDE, dtype=torch.float64)
    output = still(latents, 319, background=background, context=token, pose=pose, reading=None)
    for row in range(2):
        for frame in range(FRAMES):
            image = torch.cat([latents[row, frame], background])[None]
            close(output[row, frame], stock(image, 319, token[row : row + 1]).sample[0])


def test_the_first_four_channels_are_the_noisy_latents_and_the_last_the_background(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    inputs = guided_inputs(denoiser, bank)
    seen: list[torch.Tensor] = []
    hook = denoiser.conv_in.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    denoiser(**inputs)
    hook.remove()
    assert torch.equal(seen[0][:, :4], inputs["latents"].flatten(0, 1))
    assert torch.equal(seen[0][:, 4:], inputs["background"].expand(len(seen[0]), -1, -1, -1))


def test_pose_features_are_added_behind_the_first_convolution(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    inputs = guided_inputs(denoiser, bank)
    level = normal(32, seed=8)
    shifted = denoiser(**{**inputs, "pose": inputs["pose"] + level[:, None, None]})
    denoiser.conv_in.bias.add_(level)
    biased = denoiser(**inputs)
    denoiser.conv_in.bias.sub_(level)
    close(shifted, biased)


def test_skips_are_taken_behind_the_temporal_modules(denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]) -> None:
    left: dict[str, torch.Tensor] = {}
    arrived: dict[str, torch.Tensor] = {}
    hooks = []
    for i, block in enumerate(denoiser.down_blocks):
        name = f"down {i}"
        hooks.append(
            block.motion_modules[0].register_forward_hook(lambda _m, _i, output, n=name: left.__setitem__(n, output))
        )
    for i, block in enumerate(denoiser.up_blocks):
        name = f"down {3 - i}"
        width = denoiser.down_blocks[3 - i].resnets[0].out_channels
        hooks.append(
            block.resnets[0].register_forward_pre_hook(
                lambda _m, given, n=name, w=width: arrived.__setitem__(n, given[0][:, -w:])
            )
        )
    denoiser(**guided_inputs(denoiser, bank))
    for hook in hooks:
        hook.remove()
    assert left.keys() == arrived.keys() and len(left) == 4
    for name, features in left.items():
        assert torch.equal(features, arrived[name]), name


def test_temporal_modules_run_behind_attention_or_where_there_is_none_behind_the_residual_block(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    order: list[str] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, _o, n=name: order.append(n))
        for name, module in denoiser.named_modules()
        if name.split(".")[-2:-1] in (["resnets"], ["attentions"], ["motion_modules"])
    ]
    denoiser(**guided_inputs(denoiser, bank))
    for hook in hooks:
        hook.remove()
    expected = []
    for i in range(4):
        parts = ["resnets.0", "attentions.0", "motion_modules.0"] if i < 3 else ["resnets.0", "motion_modules.0"]
        expected += [f"down_blocks.{i}.{part}" for part in parts]
    expected += [f"mid_block.{part}" for part in ("resnets.0", "attentions.0", "motion_modules.0", "resnets.1")]
    for i in range(4):
        for j in range(2):
            parts = ["resnets", "attentions", "motion_modules"] if i else ["resnets", "motion_modules"]
            expected += [f"up_blocks.{i}.{part}.{j}" for part in parts]
    assert order == expected


def test_the_bank_is_what_stocks_first_layer_norms_write(reference: ReferenceUNet) -> None:
    stock = UNet2DConditionModel(**UNET).double().eval().requires_grad_(False)
    missing, unexpected = stock.load_state_dict(reference.state_dict(), strict=False)
    assert (len(missing), unexpected) == (4, [])
    written: dict[str, torch.Tensor] = {}
    for name, module in stock.named_modules():
        if name.endswith("norm1") and "transformer_blocks" in name:
            module.register_forward_hook(lambda _m, _i, o, n=name: written.__setitem__(n.removesuffix(".norm1"), o))
    latents, token = normal(1, 4, SIDE, SIDE, seed=5), normal(1, 1, 32, seed=6)
    stock(latents, 0, token)
    bank = reference(latents, token)
    assert bank.keys() == written.keys() and len(bank) == 10
    for path, tokens in bank.items():
        close(tokens, written[path])


def test_a_reference_net_of_another_architecture_is_refused(
    denoiser: DenoisingUNet, bank: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(InputError, match="does not have the denoiser's blocks"):
        denoiser.project({path: tokens for path, tokens in bank.items() if "mid_block" not in path})
