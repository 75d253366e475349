"""Conditions from disk against conditions made on the spot, and folders that belong to something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.manifest import manifest_sha256
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.finetune.conditions.encode import fit_input
from drpose_ray.finetune.conditions.on_ray import EncodeTask, encode_on_ray
from drpose_ray.finetune.conditions.store import MARKER, ConditionStore
from drpose_ray.finetune.data import PairStream
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_TINY
from tests.finetune.tiny_run import write_tiny_dataset

CONFIGS = {"pshuman": PSHUMAN_TINY, "era3d": ERA3D_TINY}


@pytest.fixture(scope="module", params=CONFIGS)
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> EncodeTask:
    folder = tmp_path_factory.mktemp(request.param)
    model = write_published(folder / "model", CONFIGS[request.param], torch.float32)
    dataset = write_tiny_dataset(folder / "pairs", shards=2, frames=3)
    task = EncodeTask(dataset, model, folder / "conditions", samples_per_call=2)
    assert len(list(encode_on_ray(task))) == 2
    return task


def test_looked_up_conditions_are_those_made_on_the_spot(task: EncodeTask) -> None:
    from drpose_ray.diffusion.published.layout import load_i2mv

    model = load_i2mv(task.model)
    store = ConditionStore(task.output, task.model, manifest_sha256(task.dataset))
    batch = next(PairStream(ShardReader(task.dataset, seed=1), 4))
    expected = model.encode_condition(fit_input(model, batch.input_images))
    actual = store.look_up(batch.sample_ids, model.text)
    torch.testing.assert_close(actual.image_latents, expected.image_latents, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(actual.class_labels, expected.class_labels, rtol=1e-5, atol=1e-6)
    assert actual.text is model.text


@pytest.mark.parametrize("task", ["era3d"], indirect=True)
def test_a_rerun_encodes_only_what_is_missing_and_to_the_same_bytes(task: EncodeTask) -> None:
    (lost, kept) = sorted(task.output.glob("*.safetensors"))
    before = lost.read_bytes()
    written = kept.stat().st_mtime_ns
    lost.unlink()
    (task.output / MARKER).unlink()
    assert list(encode_on_ray(task)) == ["shard-000000.tar"]
    assert lost.read_bytes() == before and kept.stat().st_mtime_ns == written


def test_another_models_latents_are_refused(task: EncodeTask, tmp_path: Path) -> None:
    other = shutil.copytree(task.model, tmp_path / "model")
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="not of the VAE"):
        ConditionStore(task.output, other)
    unet = other / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copytree(task.model / "vae", other / "vae", dirs_exist_ok=True)
    save_file({name: value * 1.01 for name, value in load_file(unet).items()}, unet)
    ConditionStore(task.output, other)  # a fine-tuned U-Net has the same conditions


def test_another_dataset_and_unknown_samples_are_refused(task: EncodeTask) -> None:
    with pytest.raises(InputError, match="not of the dataset"):
        ConditionStore(task.output, task.model, "0" * 64)
    with pytest.raises(InputError, match="no condition of this sample"):
        ConditionStore(task.output, task.model).look_up(["nobody.00"], torch.zeros(2, 6, 9, 40))


def test_an_unfinished_folder_is_refused(task: EncodeTask, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"jobs/encode_conditions\.py"):
        ConditionStore(tmp_path, task.model)
    record = json.loads((task.output / MARKER).read_text())
    assert record["samples"] == 6
