"""Published folders: what loads, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.weight_files import load_strictly
from drpose_ray.diffusion.published.layout import load_i2mv, save_i2mv
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_TINY

CONFIGS = {"pshuman": PSHUMAN_TINY, "era3d": ERA3D_TINY}
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module", params=CONFIGS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("published") / request.param, CONFIGS[request.param])


@pytest.fixture(scope="module")
def intact_era3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("era3d") / "intact", ERA3D_TINY)


@pytest.fixture
def era3d(intact_era3d: Path, tmp_path: Path) -> Path:
    return shutil.copytree(intact_era3d, tmp_path / "era3d")


def test_the_published_folder_loads(published: Path) -> None:
    model = load_i2mv(published)
    views = model.unet.num_views
    assert model.latent_shape[:2] == (2, views)
    assert model.image_size == model.latent_shape[-1] * 8
    assert model.vae.scaling_factor == 0.18215
    assert model.schedule.prediction_type == "v_prediction"
    stored = load_file(published / "unet" / WEIGHTS)
    assert stored.keys() == model.unet.state_dict().keys()
    for name, value in model.unet.state_dict().items():
        torch.testing.assert_close(value, stored[name].float(), rtol=0, atol=0)
    vae = load_file(published / "vae" / WEIGHTS)["encoder.mid_block.attentions.0.query.weight"]
    torch.testing.assert_close(model.vae.autoencoder.encoder.mid_block.attentions[0].to_q.weight, vae.float())
    image = torch.rand(1, 3, model.image_size, model.image_size)
    condition = model.encode_condition(image)
    output = model.unet(torch.randn(2, 1, *model.latent_shape[1:]), 500, condition)
    assert output.isfinite().all()


def test_the_face_view_is_given_the_head_crop(published: Path) -> None:
    model = load_i2mv(published)
    size = model.image_size
    image = torch.zeros(1, 3, size, size)
    image[..., : size // 3, size // 3 : 2 * size // 3] = 1.0  # the head window alone is white
    condition = model.encode_condition(image)
    body, last = condition.image_latents[0, 0, 0], condition.image_latents[0, 0, -1]
    white = model.vae.encode(torch.ones(1, 3, size, size))[0]
    if model.unet.face_view:
        torch.testing.assert_close(last, white)
        assert not torch.allclose(body, white)
        assert not torch.equal(condition.class_labels[0, 0, 0], condition.class_labels[0, 0, -1])
    else:
        assert torch.equal(last, body)


def test_class_labels_are_unclips(published: Path) -> None:
    """Against diffusers' own normaliser, noising scheduler and level embedding, with their noise given to ours."""
    from diffusers import DDPMScheduler
    from diffusers.models.embeddings import get_timestep_embedding

    encoder = load_i2mv(published).image_encoder
    g = torch.Generator().manual_seed(0)
    embeddings, noise = torch.randn(4, 18, generator=g), torch.randn(4, 18, generator=g)
    scheduler = DDPMScheduler.from_config(
        json.loads((published / "image_noising_scheduler/scheduler_config.json").read_text())
    )
    level = torch.zeros(4, dtype=torch.long)
    expected = encoder.normalizer.unscale(scheduler.add_noise(encoder.normalizer.scale(embeddings), noise, level))
    sinusoid = get_timestep_embedding(level, 18, flip_sin_to_cos=True, downscale_freq_shift=0)
    torch.testing.assert_close(encoder.class_labels(embeddings, noise), torch.cat([expected, sinusoid], 1))


def test_resizing_for_clip_is_pillows(published: Path) -> None:
    import numpy as np
    from PIL import Image

    encoder = load_i2mv(published).image_encoder
    pixels = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((28, 28), Image.Resampling.BICUBIC)).astype(int)
    ours = encoder.resize(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0) * 255
    assert np.abs(ours.round().int().numpy() - expected).max() == 0


def test_saving_and_loading_gives_the_same_output(published: Path, tmp_path: Path) -> None:
    model = load_i2mv(published)
    save_i2mv(model, tmp_path / "saved", torch.float32)
    again = load_i2mv(tmp_path / "saved")
    size = model.image_size
    image, latents = torch.rand(1, 3, size, size), torch.randn(2, 1, *model.latent_shape[1:])
    expected = model.unet(latents, 300, model.encode_condition(image))
    torch.testing.assert_close(again.unet(latents, 300, again.encode_condition(image)), expected)
    assert json.loads((tmp_path / "saved/unet/config.json").read_text()) == json.loads(
        (published / "unet/config.json").read_text()
    )


def test_half_precision_weights_stay_mapped(published: Path) -> None:
    """Not copied: a change of the file's bytes is seen through the parameter, as it is only for a mapped one."""
    with torch.device("meta"):
        network = MultiViewUNet(**json.loads((published / "unet" / "config.json").read_text()))
    copy = published.parent / f"mapped_{published.name}.safetensors"
    shutil.copy(published / "unet" / WEIGHTS, copy)
    load_strictly(network, copy, torch.float16)
    before = network.conv_in.weight.clone()
    size = copy.stat().st_size
    with copy.open("r+b") as stream:
        header = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(header)
        stream.write(bytes(size - header))
    assert before.any() and not network.conv_in.weight.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_is_of_all_weights(published: Path, dtype: torch.dtype) -> None:
    model = load_i2mv(published, dtype=dtype)
    for part in (model.unet, model.vae, model.image_encoder):
        assert {p.dtype for p in part.parameters()} == {dtype}
    assert model.text.dtype == dtype


def test_weights_in_parts_and_in_torch_files_are_the_same_model(era3d: Path) -> None:
    folder = era3d / "unet"
    state = load_file(folder / WEIGHTS)
    expected = load_i2mv(era3d).unet.state_dict()
    names = sorted(state)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, keys in halves.items():
        save_file({key: state[key] for key in keys}, folder / file)
    index = {"weight_map": {key: file for file, keys in halves.items() for key in keys}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    for key, value in load_i2mv(era3d).unet.state_dict().items():
        assert torch.equal(value, expected[key])

    (folder / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"b\.safetensors"):
        load_i2mv(era3d)

    (folder / f"{WEIGHTS}.index.json").unlink()
    torch.save(state, folder / "diffusion_pytorch_model.bin")
    for key, value in load_i2mv(era3d).unet.state_dict().items():
        assert torch.equal(value, expected[key])


def test_an_index_that_leaves_its_folder_is_refused(era3d: Path) -> None:
    (era3d / "unet" / WEIGHTS).unlink()
    index = {"weight_map": {"conv_in.weight": "../../elsewhere.safetensors"}}
    (era3d / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="outside its folder"):
        load_i2mv(era3d)


def _cut(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _lose_a_tensor(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    save_file(
        {k: v for k, v in load_file(path).items() if k != "mid_block.attentions.0.transformer_blocks.0.norm_mv.bias"},
        path,
    )


def _add_a_tensor(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    save_file({**load_file(path), "face_adapter.weight": torch.zeros(1)}, path)


def _claim_no_regressors(folder: Path) -> None:
    path = folder / "unet" / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "regress_elevation": False, "regress_focal_length": False})
    )


def _embeddings_of_seven_views(folder: Path) -> None:
    for name in ("normal_embeds.pt", "clr_embeds.pt"):
        torch.save(torch.zeros(7, 9, 40), folder / name)


def _no_embeddings(folder: Path) -> None:
    (folder / "clr_embeds.pt").unlink()


def _no_normalizer(folder: Path) -> None:
    shutil.rmtree(folder / "image_normalizer")


class _Malice:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(__file__).parent / "executed",)


def _pickled_object(folder: Path) -> None:
    (folder / "unet" / WEIGHTS).unlink()
    torch.save({"conv_in.weight": _Malice()}, folder / "unet" / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (_cut, "cannot read weights"), (_lose_a_tensor, "1 missing.*norm_mv.bias"),
        (_add_a_tensor, "1 extra.*face_adapter"),
        (_claim_no_regressors, "extra.*camera_embedding"), (_embeddings_of_seven_views, "six views for Era3D"),
        (_no_embeddings, "clr_embeds.pt"), (_no_normalizer, "image_normalizer"), (_pickled_object, "was not"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_damage_is_named_and_nothing_is_executed(era3d: Path, damage: Any, names: str) -> None:
    damage(era3d)
    with pytest.raises(InputError, match=names):
        load_i2mv(era3d)
    assert not (Path(__file__).parent / "executed").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model_index\.json"):
        load_i2mv(tmp_path)
