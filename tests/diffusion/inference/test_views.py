"""What becomes of the model's images: turned back, the face pasted, cut out, and written whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.diffusion.inference.views import Views, draw_sheet, finish_views, write_views
from drpose_ray.geometry.view_sets import ERA3D_VIEWS, PSHUMAN_VIEWS

SIZE = 24


def images_with_left_half_dark(num_views: int) -> torch.Tensor:
    images = torch.ones(2, num_views, 3, SIZE, SIZE)
    images[..., : SIZE // 2] = 0.5
    return images


def test_pshumans_back_and_left_views_are_turned_back() -> None:
    views = finish_views("p", images_with_left_half_dark(7), PSHUMAN_VIEWS)
    for domain in (views.normal, views.color):
        dark_left = (domain[:, SIZE - 1, 0, 0] < 200).tolist()
        assert dark_left == [True, True, True, False, False, True]


def test_era3ds_views_stay() -> None:
    views = finish_views("p", images_with_left_half_dark(6), ERA3D_VIEWS)
    assert (views.normal[:, :, : SIZE // 2, 3] == 255).all() and not views.normal[:, :, SIZE // 2 :, 3].any()


def test_the_face_goes_into_the_front_normals_head_and_nowhere_else() -> None:
    images = torch.full((2, 7, 3, SIZE, SIZE), 0.5)
    images[:, 6] = 0.25
    views = finish_views("p", images, PSHUMAN_VIEWS)
    face = np.abs(views.normal[0, ..., 0].astype(int) - 64) <= 1
    assert face[:8, 8:16].all() and face.sum() == 64
    assert (views.color[..., 0] == 128).all() and (views.normal[1:, ..., 0] == 128).all()


def test_the_face_is_taken_without_antialiasing() -> None:
    images = torch.full((2, 7, 3, SIZE, SIZE), 0.5)
    images[0, 6] = torch.rand(3, SIZE, SIZE) * 0.5
    views = finish_views("p", images, PSHUMAN_VIEWS)
    middle = (images[0, 6, :, 1::3, 1::3] * 255).round().byte().movedim(0, -1).numpy()
    assert np.array_equal(views.normal[0, :8, 8:16, :3], middle)


def test_normals_cut_out_both_domains() -> None:
    images = torch.ones(2, 6, 3, SIZE, SIZE)
    images[0, :, :, 4:20, 4:20] = 0.5  # white clothes: the colours are as white as the background
    views = finish_views("p", images, ERA3D_VIEWS)
    assert (views.color[..., 3] == views.normal[..., 3]).all()
    assert (views.color[:, 4:20, 4:20, 3] == 255).all() and views.color[..., 3].mean() < 128


def test_the_photo_replaces_the_front_color_on_request() -> None:
    front = np.full((SIZE, SIZE, 3), 255, np.uint8)
    front[2:5] = 7
    views = finish_views("p", torch.full((2, 6, 3, SIZE, SIZE), 0.5), ERA3D_VIEWS, front)
    assert (views.color[0, 2:5] == (7, 7, 7, 255)).all() and not views.color[0, 6:, :, 3].any()
    assert (views.color[1:, ..., 0] == 128).all()


def make_views(name: str = "p") -> Views:
    return finish_views(name, torch.rand(2, 6, 3, SIZE, SIZE), ERA3D_VIEWS)


def test_twelve_images_and_a_marker_are_published_together(tmp_path: Path) -> None:
    views = make_views()
    write_views(views, tmp_path, {"seed": 3})
    files = {p.name for p in (tmp_path / "p").iterdir()}
    assert {"normal_front.png", "normal_back.png", "color_front_left.png", "sheet.png", "views.json"} <= files
    assert len(files) == 14
    assert np.array_equal(np.asarray(Image.open(tmp_path / "p" / "color_right.png")), views.color[2])
    assert json.loads((tmp_path / "p" / "views.json").read_text())["seed"] == 3
    assert draw_sheet(views).size == (6 * SIZE, 2 * SIZE)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("drpose_ray.diffusion.inference.views.write_json", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_views(make_views(), tmp_path, {})
    assert list(tmp_path.iterdir()) == []
