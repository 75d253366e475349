"""The sampler from photos, on random weights in both published layouts, against diffusers' scheduler and the job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.diffusion.ddim import draw_noise
from drpose_ray.diffusion.inference import job as generate_views
from drpose_ray.diffusion.inference.config import GenerateConfig
from drpose_ray.diffusion.inference.generate import ViewGenerator
from drpose_ray.diffusion.inference.photo import Photo, prepare
from drpose_ray.diffusion.inference.views import FailedViews, Views
from tests.diffusion.inference.test_photo import person_photo
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_TINY

CONFIGS = {"pshuman": PSHUMAN_TINY, "era3d": ERA3D_TINY}


@pytest.fixture(scope="module", params=CONFIGS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("published") / request.param, CONFIGS[request.param])


def generator(folder: Path, **settings: object) -> ViewGenerator:
    config = GenerateConfig(model=folder, num_sampling_steps=3, **settings)  # type: ignore[arg-type]
    return ViewGenerator.load(config, 7, torch.device("cpu"))


def photos_for(made: ViewGenerator, names: str = "ab") -> list[Photo]:
    return [prepare(n, person_photo(300 + 20 * i), made.model.image_size, made.crop_size) for i, n in enumerate(names)]


def test_sampling_is_the_originals_loop(folder: Path) -> None:
    """Their batch of quarters (normals dropped and given, colours dropped and given) through diffusers' DDIM."""
    from diffusers import DDIMScheduler

    made = generator(folder)
    (photo,) = photos_for(made, "a")
    model = made.model
    scheduler = DDIMScheduler.from_config(json.loads((folder / "scheduler" / "scheduler_config.json").read_text()))
    scheduler.set_timesteps(3)
    images = torch.from_numpy(np.stack([photo.person, photo.head]))[None].movedim(-1, 2).float() / 255
    condition = model.encode_condition(images, made._embedding_noise(["a"]))
    quarters = condition.dropped().joined(condition)
    latents = draw_noise(7, ["a"], model.latent_shape, 4)
    for index, timestep in enumerate(scheduler.timesteps.tolist()):
        with torch.no_grad():
            output = model.unet(torch.cat([latents, latents], 1), timestep, quarters)
        flat = output.flatten(0, 2).chunk(4)  # quarters of the flat batch
        guided = torch.cat([flat[0] + 3 * (flat[1] - flat[0]), flat[2] + 3 * (flat[3] - flat[2])])
        noise = draw_noise(7, ["a"], model.latent_shape, 3 - index)
        latents = scheduler.step(
            guided.view(latents.shape), timestep, latents, eta=1.0, variance_noise=noise
        ).prev_sample  # fmt: skip
    torch.testing.assert_close(made.sample_latents([photo]), latents, rtol=1e-4, atol=1e-4)


def test_neighbours_in_a_batch_change_nothing(folder: Path) -> None:
    alone, together = generator(folder), generator(folder, photos_per_call=2, batched_guidance=False)
    photos = photos_for(alone)
    one, both = alone.sample_latents(photos[1:]), together.sample_latents(photos)
    torch.testing.assert_close(one[:, 0], both[:, 1], rtol=1e-4, atol=1e-4)


def test_six_true_views_come_out(folder: Path) -> None:
    made = generator(folder, photos_per_call=2)
    photos = photos_for(made)
    views = [each for each in made.generate(photos) if isinstance(each, Views)]
    size = made.model.image_size
    assert [v.name for v in views] == ["a", "b"]
    assert all(v.normal.shape == v.color.shape == (6, size, size, 4) for v in views)
    if made.model.unet.face_view:
        assert np.array_equal(views[0].color[0][..., :3], photos[0].person)


def test_a_photo_whose_views_are_not_finite_fails_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator(folder, photos_per_call=2)
    photos = photos_for(made)
    latents = made.sample_latents(photos)
    latents[0, 1, 2, 0, 0, 0] = torch.nan
    monkeypatch.setattr(ViewGenerator, "sample_latents", lambda *_: latents)
    good, failed = made.generate(photos)
    assert isinstance(good, Views) and good.name == "a"
    assert isinstance(failed, FailedViews) and failed.name == "b" and "latents are not finite" in failed.problem


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_close_to_single(folder: Path, precision: str) -> None:
    exact, rounded = generator(folder), generator(folder, precision=precision)
    photos = photos_for(exact, "a")
    expected, actual = exact.sample_latents(photos), rounded.sample_latents(photos)
    assert actual.dtype == torch.float32
    assert (actual - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("folder", ["pshuman"], indirect=True)  # layouts differ in the steps above
def test_the_job_makes_views_counts_failures_and_resumes(
    folder: Path, tmp_path: Path, ray_session: object, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("ann", "bob"):
        person_photo().save(photos / f"{name}.png")
    Image.new("RGB", (20, 20)).save(photos / "flat.png")
    Image.new("RGB", (20, 20)).save(photos / "left.jpg")
    argv = [
        "--generate.model", str(folder), "--generate.photos", str(photos), "--run.folder", str(tmp_path / "run"),
        "--generate.num_sampling_steps", "2", "--generate.workers", "1", "--generate.photos_per_task", "2",
    ]  # fmt: skip
    assert generate_views.main(argv) == 1
    said = capfd.readouterr().err
    assert "flat: the photo has no transparency" in said and "left out: left.jpg (JPEG holds no transparency" in said
    summary = json.loads((tmp_path / "run" / "generate_views" / "summary.json").read_text())
    assert (summary["photos"], summary["generated"], summary["failed"], summary["left_out"]) == (3, 2, 1, 1)
    sheet = tmp_path / "run" / "generate_views" / "views" / "ann" / "sheet.png"
    before = sheet.stat().st_mtime_ns

    (photos / "flat.png").unlink()
    person_photo().save(photos / "cat.png")
    assert generate_views.main(argv) == 0
    summary = json.loads((tmp_path / "run" / "generate_views" / "summary.json").read_text())
    assert (summary["generated"], summary["already_there"], summary["failed"]) == (1, 2, 0)
    assert sheet.stat().st_mtime_ns == before

    person_photo(280).save(photos / "cat.png")
    assert generate_views.main(argv) == 0
    summary = json.loads((tmp_path / "run" / "generate_views" / "summary.json").read_text())
    assert (summary["generated"], summary["already_there"]) == (1, 2), "a replaced photo is drawn again"
    assert generate_views.main([*argv, "--run.seed", "9"]) == 2
    assert "holds views made with another seed" in capfd.readouterr().err


def test_the_job_refuses_to_start_without_a_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert generate_views.main(["--generate.model", str(tmp_path), "--generate.photos", str(tmp_path)]) == 2
    assert "model_index.json" in capfd.readouterr().err
