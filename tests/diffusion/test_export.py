"""Export: linked folders come along, hidden files do not, and a half export is no model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.published import export
from drpose_ray.diffusion.published.export import export_finetuned
from drpose_ray.diffusion.published.layout import load_i2mv, load_unet
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import ERA3D_TINY


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("export") / "base", ERA3D_TINY)


def test_a_linked_folder_is_exported_and_a_hidden_file_is_not(base: Path, tmp_path: Path) -> None:
    linked = shutil.copytree(base, tmp_path / "linked")
    shutil.move(linked / "vae", tmp_path / "somewhere")
    (linked / "vae").symlink_to(tmp_path / "somewhere")
    (linked / "image_encoder" / "._model.safetensors").write_bytes(b"macOS")
    weights = load_unet(linked).state_dict()
    export_finetuned(linked, weights, tmp_path / "model", "float16", "card")
    assert not list((tmp_path / "model").rglob("._*")) and not (tmp_path / "model" / "vae").is_symlink()
    again = load_i2mv(tmp_path / "model").unet.state_dict()
    assert all(torch.equal(again[name], value.half().float()) for name, value in weights.items())


def test_what_does_not_arrive_whole_is_not_published(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes()[:-1])

    weights = load_unet(base).state_dict()
    export_finetuned(base, weights, tmp_path / "model", "float16", "card")
    monkeypatch.setattr(export, "_copy", torn)
    with pytest.raises(InputError, match="not the base's"):
        export_finetuned(base, weights, tmp_path / "model", "float16", "card")
    assert not (tmp_path / "model" / "model_index.json").exists()


def test_a_base_without_its_vae_is_not_published(base: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(base, tmp_path / "broken")
    shutil.rmtree(broken / "vae")
    with pytest.raises(InputError, match="vae"):
        export_finetuned(broken, load_unet(base).state_dict(), tmp_path / "model", "float16", "card")
    assert not (tmp_path / "model" / "model_index.json").exists()


def test_weights_that_are_not_finite_are_refused_by_name(base: Path, tmp_path: Path) -> None:
    weights = {name: value.clone() for name, value in load_unet(base).state_dict().items()}
    weights["conv_in.bias"][0] = torch.nan
    with pytest.raises(InputError, match="do not fit") as refused:
        export_finetuned(base, weights, tmp_path / "model", "float16", "card")
    assert refused.value.field == "conv_in.bias"
