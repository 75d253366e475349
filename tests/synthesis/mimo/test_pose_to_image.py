"""MIMO behind the repository's interface: a photo and ten poses to a record with images, joints and a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import load_config
from drpose_ray.datasets.builder.maker import RecordMaker, make_record, settings_sha256
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.geometry.cameras import project
from drpose_ray.poses.procedural.standing import draw_moderate
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis import job as synthesize
from drpose_ray.synthesis.config import MimoConfig
from drpose_ray.synthesis.mimo.camera import Pinhole, Viewpoint
from drpose_ray.synthesis.mimo.color_table import make_color_table, write_color_table
from drpose_ray.synthesis.mimo.pose_images import crop_of_clip, pose_input
from drpose_ray.synthesis.mimo.pose_render import render_pose
from drpose_ray.synthesis.mimo.pose_to_image import MimoAnimation
from drpose_ray.synthesis.quality.filters import CheckedMaker
from tests.synthesis.mimo.tiny import make_model, portrait, write_folder

SIZE = 64


def window(rank: int = 0) -> PoseWindow:
    rows = draw_moderate(np.random.default_rng(3), 10)
    rows[:, 309:312] += np.linspace(0, 0.3, 10)[:, None]
    return PoseWindow(
        sequence_id=f"w-{rank}", clip="c", frames=np.arange(10), motion=rows, pick=5, rank=rank, fps=30.0,
        source="test", licence="CC0-1.0",
    )  # fmt: skip


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, body: Body) -> MimoConfig:
    folder = tmp_path_factory.mktemp("mimo")
    (folder / "photos").mkdir()
    for name, color in (("a", (200, 40, 40)), ("b", (20, 60, 220))):
        portrait(color).save(folder / "photos" / f"{name}.png")
    write_color_table(folder / "colours.npy", make_color_table(body))
    return MimoConfig(
        weights=write_folder(folder / "weights", make_model()), photos=folder / "photos", photo_licence="CC0-1.0",
        color_table=folder / "colours.npy", image_size=SIZE, num_sampling_steps=1, azimuth_deg=30.0,
        heading_spread_deg=0.0, precision="float32", gpus_per_worker=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def generator(config: MimoConfig) -> MimoAnimation:
    return MimoAnimation(config, seed=5)


@pytest.fixture(scope="module")
def record(generator: MimoAnimation) -> SequenceRecord:
    drawing: RecordMaker[PoseWindow] = generator
    return make_record(drawing, window())


def test_ten_images_with_joints_and_a_camera(record: SequenceRecord) -> None:
    assert [status.state for status in record.status] == ["ok"] * 10
    assert record.images["input"].shape == (10, SIZE, SIZE, 3)
    np.testing.assert_array_equal(record.motion, window().motion)
    assert record.camera is not None and record.provenance.generator == "mimo"
    assert record.licence.image == "drawn by MIMO from a photo: CC0-1.0"


def test_the_records_camera_sees_the_joints_on_the_body_that_the_pose_guider_sees(
    record: SequenceRecord, body: Body
) -> None:
    assert record.camera is not None
    uv = project(
        torch.from_numpy(record.joints_world), torch.tensor(record.camera.center_world).float(),
        torch.tensor(record.camera.width_m).float(), torch.tensor([record.camera.azimuth_deg]),
    )[:, 0].numpy()  # fmt: skip
    vertices = np.stack([body.pose(row)[0] for row in window().motion])
    viewpoint, distant = Viewpoint.of_clip(vertices, record.camera.azimuth_deg), Pinhole.distant(SIZE)
    white = np.ones((body.num_vertices, 3))
    rendered = np.stack([render_pose(viewpoint.to_camera(v), body.faces, white, distant, SIZE) for v in vertices])
    crop = crop_of_clip(rendered)
    through_pinhole = crop.camera(distant, SIZE).project(viewpoint.to_camera(record.joints_world)) / SIZE
    np.testing.assert_allclose(uv, through_pinhole, atol=0.01)
    shown = pose_input(rendered, crop, SIZE)[:, 0].numpy() > 0.1
    pixels = (uv * SIZE).astype(int).clip(0, SIZE - 1)
    on_body = np.array([shown[f][pixels[f, :, 1], pixels[f, :, 0]].mean() for f in range(10)])
    assert on_body.min() > 0.9


def test_a_window_has_the_same_pixels_whatever_was_drawn_before(
    config: MimoConfig, generator: MimoAnimation, record: SequenceRecord
) -> None:
    generator.make(window(rank=1))
    again = generator.make(window())
    np.testing.assert_array_equal(again.images["input"], record.images["input"])


def test_settings_name_the_contents_and_not_the_places_of_the_files(
    config: MimoConfig, generator: MimoAnimation, tmp_path: Path
) -> None:
    settings = generator.settings()
    assert {"weights_sha256", "photos_sha256", "colour_table_sha256", "guidance_scale"} <= settings.keys()
    assert not any(str(config.weights.parent) in str(value) for value in settings.values())
    moved = tmp_path / "moved.npy"
    moved.write_bytes(config.color_table.read_bytes())
    same = MimoAnimation(config.model_copy(update={"color_table": moved}), seed=5)
    assert settings_sha256(same) == settings_sha256(generator)
    portrait((0, 200, 0)).save(tmp_path / "other.png")
    other = MimoAnimation(config.model_copy(update={"photos": tmp_path}), seed=5)
    assert settings_sha256(other) != settings_sha256(generator)


def test_the_color_table_of_another_body_and_a_folder_without_photos_are_refused(
    config: MimoConfig, tmp_path: Path
) -> None:
    write_color_table(tmp_path / "smpl.npy", np.zeros((6890, 3), np.uint8))
    for update, field in (({"color_table": tmp_path / "smpl.npy"}, "shape"), ({"photos": tmp_path}, "photos")):
        with pytest.raises(InputError) as caught:
            MimoAnimation(config.model_copy(update=update), seed=5)
        assert caught.value.field == field


def test_the_job_draws_with_mimo_where_a_preset_has_its_section(config: MimoConfig, tmp_path: Path) -> None:
    section = {"synthesis": {"mimo": config.model_dump(mode="json")}}
    (tmp_path / "preset.yaml").write_text(yaml.safe_dump(section))
    flags = ["--config", str(tmp_path / "preset.yaml"), "--synthesis.mimo.guidance_scale", "2"]
    (pool,) = synthesize.choose_pools(load_config(synthesize.CONFIG, flags))
    checked = pool.load()
    assert isinstance(checked, CheckedMaker)
    generator = checked.generator
    assert isinstance(generator, MimoAnimation)
    assert generator.config.guidance_scale == 2 and generator.config.photos == config.photos


def test_the_free_color_table_is_never_taken_for_background(body: Body) -> None:
    table = make_color_table(body)
    assert table.shape == (body.num_vertices, 3) and table.min() >= 64
