"""Stored latents against latents encoded on the spot, and folders that belong to something else."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.on_ray import map_in_actors
from drpose_ray.datasets.manifest import manifest_sha256, read_manifest
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.diffusion.encoded import latents as encode
from drpose_ray.diffusion.encoded.latents import EncodeTask, encode_here, latents_folder, plan_latents
from drpose_ray.diffusion.encoded.latents_on_ray import _load_encoder, encode_on_ray
from drpose_ray.diffusion.encoded.latents_store import MARKER, MappedLatents, open_latents, write_latents
from drpose_ray.diffusion.published.layout import load_vae, model_image_size, save_i2mv
from tests.diffusion.encoded.six_views import write_six_views

SIDE = 96
"""Pixels of the small model."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_i2mv(build_i2mv(small_architecture(), seed=0), folder)
    return folder


@pytest.fixture(scope="module")
def task(model: Path, tmp_path_factory: pytest.TempPathFactory) -> EncodeTask:
    folder = tmp_path_factory.mktemp("latents")
    dataset = write_six_views(folder / "shards", frames=(2, 2), side=SIDE, azimuth_deg=30.0)
    task = EncodeTask(dataset, model, folder / "encoded", images_per_call=5)
    assert list(encode_here(task)) == ["shard-000000.tar", "shard-000001.tar"]
    return task


def test_stored_latents_are_the_vaes_own_with_the_poses_that_readers_of_images_get(task: EncodeTask) -> None:
    shards = open_latents(task.output, task.model)
    people = read_multiview(task.dataset)
    assert tuple(sample for shard in shards for sample in shard.sample_ids) == people.sample_ids
    images = people.images.float() / 255
    with torch.no_grad():
        expected = load_vae(task.model).encode(images.flatten(0, 2)).unflatten(0, images.shape[:3])
    stored = torch.cat([shard.latents for shard in shards])
    assert stored.shape == (4, 2, 6, 4, 16, 16) and stored.dtype == torch.float16
    torch.testing.assert_close(stored.float(), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(torch.cat([shard.joints for shard in shards]), people.joints)
    torch.testing.assert_close(torch.cat([shard.center for shard in shards]), people.center)
    assert torch.cat([s.width_m for s in shards]).tolist() == [2.0] * 4
    assert [shard.persons for shard in shards] == [("0", "0"), ("1", "1")], "those of the provenance"


def test_mapped_rows_are_read_in_the_order_asked_for(task: EncodeTask) -> None:
    shards = open_latents(task.output)
    mapped = MappedLatents([shard.latents for shard in shards], [(0, 0), (0, 1), (1, 0), (1, 1)])
    taken = mapped.take([3, 0, 2])
    assert mapped.shape == (4, 2, 6, 4, 16, 16) and len(taken) == 3
    assert torch.equal(taken[torch.tensor([2, 0])], torch.stack([shards[1].latents[0], shards[1].latents[1]]))


def test_a_rerun_encodes_only_what_is_missing_and_to_the_same_bytes(task: EncodeTask) -> None:
    lost, kept = sorted(task.output.glob("*.safetensors"))
    before, written = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    (task.output / MARKER).unlink()
    with pytest.raises(InputError, match="no finished latents"):
        open_latents(task.output)
    assert list(encode_here(task)) == ["shard-000000.tar"]
    assert lost.read_bytes() == before and kept.stat().st_mtime_ns == written


@pytest.mark.slow
def test_ray_actors_write_the_same_bytes(task: EncodeTask, tmp_path: Path, ray_session: None) -> None:
    on_ray = replace(task, output=tmp_path / "encoded", workers=2)
    assert sorted(encode_on_ray(on_ray)) == ["shard-000000.tar", "shard-000001.tar"]
    names = sorted(path.name for path in task.output.iterdir())
    assert names == sorted(path.name for path in on_ray.output.iterdir())
    assert all((on_ray.output / name).read_bytes() == (task.output / name).read_bytes() for name in names)


def test_the_face_is_kept_in_slot_six_and_a_shard_without_ok_frames_is_no_problem(model: Path, tmp_path: Path) -> None:
    dataset = write_six_views(tmp_path / "shards", frames=(0, 1), side=SIDE, slots=7)
    task = EncodeTask(dataset, model, tmp_path / "encoded")
    list(encode_here(task))
    empty, shard = open_latents(task.output)
    assert len(empty.latents) == 0 and shard.latents.shape == (1, 2, 7, 4, 16, 16)


def test_a_dataset_with_faces_is_read_beside_one_without(task: EncodeTask, model: Path, tmp_path: Path) -> None:
    dataset = write_six_views(tmp_path / "shards", frames=(1,), side=SIDE, slots=7)
    list(encode_here(EncodeTask(dataset, model, tmp_path / "encoded")))
    (face,), (plain, _) = open_latents(tmp_path / "encoded"), open_latents(task.output)
    for files in ([face, plain], [plain, face]):
        mapped = MappedLatents([shard.latents for shard in files], [(0, 0), (1, 0)])
        assert mapped.shape == mapped[torch.tensor([0, 1])].shape == (2, 2, 6, 4, 16, 16)
    assert torch.equal(mapped[torch.tensor([1])][0], face.latents[0, :, :6])


def test_a_dataset_without_any_ok_frame_is_refused(
    task: EncodeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(task.dataset)
    rows = tuple(row.model_copy(update={"frames_ok": 0}) for row in manifest.shards)
    monkeypatch.setattr(encode, "read_manifest", lambda _: manifest.model_copy(update={"shards": rows}))
    with pytest.raises(InputError, match="no frame of the dataset is ok"):
        list(encode_here(replace(task, output=tmp_path)))


@pytest.mark.slow
def test_what_an_actor_refuses_reaches_the_driver_as_it_was_raised(
    model: Path, tmp_path: Path, ray_session: None
) -> None:
    small = write_six_views(tmp_path / "small", frames=(1,), side=SIDE // 2)
    with pytest.raises(InputError, match="smaller than the model's") as refused:
        list(encode_on_ray(EncodeTask(small, model, tmp_path / "a")))
    assert refused.value.field == "scan0"
    lost = replace(EncodeTask(small, model, tmp_path / "b"), model=shutil.copytree(model, tmp_path / "model"))
    record = plan_latents(small, model)
    shutil.rmtree(lost.model / "vae")
    with pytest.raises(InputError):  # by what makes the worker
        list(map_in_actors(functools.partial(_load_encoder, lost, record), ["shard-000000.tar"], 1))


def test_latents_of_another_vae_are_refused_and_have_a_folder_of_their_own(task: EncodeTask, tmp_path: Path) -> None:
    other = shutil.copytree(task.model, tmp_path / "model")
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="not of the VAE") as refused:
        open_latents(task.output, other)
    assert refused.value.field == "vae_sha256"
    with pytest.raises(InputError, match="another model or dataset"):
        list(encode_here(replace(task, model=other)))
    places = [latents_folder(tmp_path, task.dataset, model) for model in (task.model, other)]
    assert places[0] != places[1]
    # A fine-tuned U-Net has the same latents.
    unet = shutil.copytree(task.model, tmp_path / "tuned") / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(unet).items()}, unet)
    assert open_latents(task.output, tmp_path / "tuned")


def test_images_smaller_than_the_models_are_refused_and_larger_ones_shrunk(model: Path, tmp_path: Path) -> None:
    assert model_image_size(model) == SIDE
    small = write_six_views(tmp_path / "small", frames=(1,), side=SIDE // 2)
    with pytest.raises(InputError, match="smaller than the model's"):
        list(encode_here(EncodeTask(small, model, tmp_path / "a")))
    large = write_six_views(tmp_path / "large", frames=(1,), side=2 * SIDE)
    list(encode_here(EncodeTask(large, model, tmp_path / "b")))
    assert open_latents(tmp_path / "b")[0].latents.shape[-1] == 16


def test_what_is_not_finite_is_not_stored(task: EncodeTask, tmp_path: Path) -> None:
    (shard, _) = open_latents(task.output)
    latents = shard.latents.float()
    latents[1, 0, 0, 0, 0, 0] = 1e6  # above half precision's range
    with pytest.raises(InputError, match="not finite") as refused:
        write_latents(tmp_path / "x.safetensors", replace(shard, latents=latents))
    assert refused.value.field == "scan0.01" and not list(tmp_path.iterdir())


def test_a_damaged_or_exchanged_file_is_refused(task: EncodeTask, tmp_path: Path) -> None:
    folder = shutil.copytree(task.output, tmp_path / "encoded")
    first, second = sorted(folder.glob("*.safetensors"))
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a file of tensors"):
        open_latents(folder)
    tensors = load_file(second)
    save_file(
        tensors | {"latents": tensors["latents"][:, :, :5].contiguous()}, first, {"samples": json.dumps(["a", "b"])}
    )
    with pytest.raises(InputError, match="another shape") as refused:
        open_latents(folder)
    assert refused.value.field == "latents"
    record = json.loads((folder / MARKER).read_text())
    assert record["samples"] == 4 and record["dataset_sha256"] == manifest_sha256(task.dataset)


def test_a_dataset_without_normals_is_refused(model: Path, tmp_path: Path) -> None:
    from tests.finetune.tiny_run import write_tiny_dataset

    pairs = write_tiny_dataset(tmp_path / "pairs", shards=1, frames=1)
    with pytest.raises(InputError, match="six views in two domains"):
        list(encode_here(EncodeTask(pairs, model, tmp_path / "encoded")))
