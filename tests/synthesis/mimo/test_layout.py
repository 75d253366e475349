"""Reading MIMO's published folder, and refusing what is not one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.layout import UNET_CONFIG, Origin, files_of, load_mimo
from drpose_ray.synthesis.mimo.networks.model import MimoModel
from tests.synthesis.mimo.tiny import UNET, make_model, write_folder

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def model() -> MimoModel:
    return make_model(seed=3)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, model: MimoModel) -> Path:
    return write_folder(tmp_path_factory.mktemp("published") / "pretrained_weights", model)


@pytest.fixture
def folder(tmp_path: Path, published: Path) -> Path:
    """A folder to spoil; its files are links to the published ones."""
    return Path(shutil.copytree(published, tmp_path / "pretrained_weights", copy_function=os.link))


def replace(file: Path, stored: object) -> None:
    file.unlink()  # not through the link
    torch.save(stored, file)


def rewrite(file: Path, change: Callable[[Tensors], object]) -> None:
    replace(file, change(torch.load(file, weights_only=True)))


def same_weights(a: MimoModel, b: MimoModel) -> bool:
    pairs = [(x.state_dict(), y.state_dict()) for x, y in zip(a.networks, b.networks, strict=True)]
    return all(x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x) for x, y in pairs)


def test_a_published_folder_loads_whole_and_says_where_tensors_came_from(folder: Path, model: MimoModel) -> None:
    loaded, origins = load_mimo(folder, torch.float32)
    assert same_weights(loaded, model)
    assert not any(p.requires_grad or p.is_meta for network in loaded.networks for p in network.parameters())
    num_temporal = sum("motion_modules" in key for key in model.denoiser.state_dict())
    assert origins[:3] == (
        Origin("denoiser, spatial", "denoising_unet.pth", len(model.denoiser.state_dict()) - num_temporal),
        Origin("denoiser, temporal", "motion_module.pth", num_temporal),
        Origin("reference", "reference_unet.pth", len(model.reference_unet.state_dict())),
    )
    assert [(o.group, o.file) for o in origins[3:]] == [
        ("pose guider", "pose_guider.pth"),
        ("VAE", "sd-vae-ft-mse/diffusion_pytorch_model.bin"),
        ("image encoder", "image_encoder/pytorch_model.bin"),
    ]


def test_weights_are_loaded_in_the_precision_asked_for(folder: Path) -> None:
    loaded, _ = load_mimo(folder, torch.float16)
    assert {p.dtype for network in loaded.networks for p in network.state_dict().values()} == {torch.float16}


def test_a_denoiser_file_with_everything_needs_no_motion_module(folder: Path, model: MimoModel) -> None:
    replace(folder / "denoising_unet.pth", model.denoiser.state_dict())
    (folder / "motion_module.pth").unlink()
    loaded, origins = load_mimo(folder, torch.float32)
    assert same_weights(loaded, model)
    assert {o.file for o in origins if o.group.startswith("denoiser")} == {"denoising_unet.pth"}


def test_where_both_files_have_a_tensor_the_denoisers_is_used(folder: Path, model: MimoModel) -> None:
    replace(folder / "denoising_unet.pth", model.denoiser.state_dict())
    rewrite(folder / "motion_module.pth", lambda t: {k: v + 1 for k, v in t.items()})
    loaded, origins = load_mimo(folder, torch.float32)
    assert same_weights(loaded, model)
    assert "motion_module.pth" not in {o.file for o in origins}


def test_a_training_wrapper_and_its_prefix_are_taken_off(folder: Path, model: MimoModel) -> None:
    rewrite(
        folder / "motion_module.pth",
        lambda t: {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in t.items()}},
    )
    assert same_weights(load_mimo(folder, torch.float32)[0], model)


def test_missing_extra_and_misshapen_tensors_are_listed(folder: Path) -> None:
    def spoil(tensors: Tensors) -> Tensors:
        tensors = dict(tensors)
        tensors["conv_in.weight"] = tensors["conv_in.weight"][:, :4]
        tensors["conv_in.surplus"] = tensors.pop("conv_out.bias")
        return tensors

    rewrite(folder / "denoising_unet.pth", spoil)
    with pytest.raises(InputError) as caught:
        load_mimo(folder)
    assert caught.value.file == folder / "denoising_unet.pth"
    for said in ("missing: conv_out.bias", "extra: conv_in.surplus", "kind: conv_in.weight (32, 4, 3, 3)"):
        assert said in str(caught.value.field)


def test_temporal_weights_missing_from_both_files_are_listed(folder: Path) -> None:
    (folder / "motion_module.pth").unlink()
    with pytest.raises(InputError, match=r"364 missing.*motion_modules\.0\.temporal_transformer"):
        load_mimo(folder)


@pytest.mark.parametrize("name", ["denoising_unet.pth", "reference_unet.pth", "pose_guider.pth", str(UNET_CONFIG)])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError) as caught:
        load_mimo(folder)
    assert caught.value.file == folder / name


def test_a_reference_file_with_the_tail_tensors_is_refused(folder: Path) -> None:
    rewrite(folder / "reference_unet.pth", lambda t: {**t, "conv_out.bias": torch.zeros(4)})
    with pytest.raises(InputError, match=r"extra: conv_out\.bias"):
        load_mimo(folder)


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("unpickled",)


def test_files_that_would_run_code_are_refused_unread(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace(folder / "pose_guider.pth", {"conv_in.weight": _Runs()})
    with pytest.raises(InputError, match="would have to be executed"):
        load_mimo(folder)
    assert "unpickled" not in capsys.readouterr().out


def test_another_networks_file_is_no_pose_guider(folder: Path) -> None:
    (folder / "pose_guider.pth").unlink()
    os.link(folder / "motion_module.pth", folder / "pose_guider.pth")
    with pytest.raises(InputError, match="not a pose guider's weights"):
        load_mimo(folder)


def test_a_configuration_of_another_kind_of_net_is_refused(folder: Path) -> None:
    (folder / UNET_CONFIG).unlink()
    (folder / UNET_CONFIG).write_text(json.dumps({**UNET, "addition_embed_type": "text_time"}))
    with pytest.raises(InputError) as caught:
        load_mimo(folder)
    assert (caught.value.file, caught.value.field) == (folder / UNET_CONFIG, "addition_embed_type")


def test_the_files_of_a_folder_are_those_that_are_read(folder: Path) -> None:
    (folder / "stable-diffusion-v1-5/unet/diffusion_pytorch_model.bin").write_bytes(b"not needed")
    assert {file.relative_to(folder).as_posix() for file in files_of(folder)} == {
        "stable-diffusion-v1-5/unet/config.json", "motion_module.pth", "denoising_unet.pth", "reference_unet.pth",
        "pose_guider.pth", "sd-vae-ft-mse/config.json", "sd-vae-ft-mse/diffusion_pytorch_model.bin",
        "image_encoder/config.json", "image_encoder/pytorch_model.bin",
    }  # fmt: skip
