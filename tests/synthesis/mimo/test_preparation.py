"""Photos, cameras and pose images: from files and bodies to what the networks are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.camera import Pinhole, Viewpoint
from drpose_ray.synthesis.mimo.photo import cut_out, for_image_encoder, for_vae, read_photo
from drpose_ray.synthesis.mimo.pose_images import crop_of_clip, pose_input
from drpose_ray.synthesis.mimo.pose_render import render_pose
from drpose_ray.synthesis.mimo.square_crop import SquareCrop
from tests.synthesis.mimo.tiny import portrait


def test_the_photo_is_cropped_with_its_margin_and_centred_on_white() -> None:
    square = np.asarray(cut_out(portrait()))
    # 60 rows and 3 of margin on both sides: 66, of which the next multiple of 16 is 80. 20 columns, without margin.
    assert square.shape == (80, 80, 3)
    person = (square == (200, 40, 40)).all(-1)
    rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (10, 69, 30, 49)
    assert (square[~person] == 255).all()


def test_the_margin_ends_where_the_photo_ends() -> None:
    pixels = np.asarray(portrait()).copy()
    pixels[:70, 30:50] = (200, 40, 40, 255)  # from the first row: no margin above, 3 rows below, 73 in all
    person = (np.asarray(cut_out(Image.fromarray(pixels))) == (200, 40, 40)).all(-1)
    assert np.flatnonzero(person.any(1))[0] == (80 - 73) // 2


def test_half_transparent_pixels_are_mixed_with_white_and_truncated() -> None:
    pixels = np.asarray(portrait()).copy()
    pixels[10:70, 30:50] = (201, 40, 40, 128)
    square = np.asarray(cut_out(Image.fromarray(pixels)))
    assert square[40, 40].tolist() == [int(c * 128 / 255 + 255 * (1 - 128 / 255)) for c in (201, 40, 40)]


def test_what_the_two_encoders_see() -> None:
    square = cut_out(portrait())
    large = for_vae(square, 64)
    assert large.shape == (3, 64, 64) and large.min() >= 0 and large.max() == 1
    small = for_image_encoder(square, 224)
    assert small.shape == (3, 224, 224)
    white = (1 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor([0.26862954, 0.26130258, 0.27577711])
    torch.testing.assert_close(small[:, 0, 0], white)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (portrait().convert("RGB"), "no transparency"),
        (Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "nothing is cut out"),
        (Image.new("RGBA", (30, 30), (9, 9, 9, 255)), "nothing is cut out"),
    ],
)
def test_photos_without_a_cut_out_person_are_refused(tmp_path: Path, image: Image.Image, problem: str) -> None:
    image.save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=problem) as caught:
        read_photo(tmp_path / "photo.png")
    assert caught.value.file == tmp_path / "photo.png"


def test_files_that_are_no_photos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_text("not an image")
    with pytest.raises(InputError, match="the image cannot be decoded"):
        read_photo(tmp_path / "photo.png")


def clip() -> np.ndarray:
    frames = np.zeros((3, 100, 120, 3), np.uint8)
    frames[0, 20:60, 40:60] = 200  # box 40 high, 20 wide: margins 4 and 1
    frames[1, 30:71, 50:70] = (0, 40, 0)  # dark, but a body; margins 4 and 1
    frames[1, 0, 0] = 10  # not bright enough to be one
    return frames


def test_one_crop_for_the_whole_clip_with_even_sides() -> None:
    assert crop_of_clip(clip()) == SquareCrop(39, 16, 71, 74)
    odd = clip()
    odd[0, 20:60, 38] = 200  # one column wider on one side: 34 wide; and its margin
    crop = crop_of_clip(odd)
    assert (crop.right - crop.left) % 2 == 0 and (crop.bottom - crop.top) % 2 == 0
    assert crop.left < 39


def test_frames_without_a_body_stay_black_and_clips_without_one_are_refused() -> None:
    given = pose_input(clip(), crop_of_clip(clip()), 64)
    assert given.shape == (3, 3, 64, 64) and given[2].max() == 0 and 0.7 < given[0].max() <= 1
    with pytest.raises(InputError, match="no pose image shows a body"):
        crop_of_clip(np.zeros((2, 8, 8, 3), np.uint8))


def test_points_and_camera_go_through_crop_padding_and_resizing() -> None:
    """A mark where a point is projected before is found where the new camera projects it."""
    camera, size = Pinhole(2000.0, 2000.0, 60.0, 50.0), 256
    point = np.array([-0.25, 0.1, 80.0])
    u, v = camera.project(point)
    frame = np.zeros((100, 120, 3), np.uint8)
    frame[int(v), int(u)] = 255
    crop = SquareCrop(39, 16, 71, 74)
    after = crop.camera(camera, size).project(point)
    np.testing.assert_allclose(after, crop.points(np.array([u, v]), size), atol=1e-9)
    image = pose_input(frame[None], crop, size)[0, 0].numpy()
    centre = np.array([np.average(np.arange(size) + 0.5, weights=image.sum(axis)) for axis in (0, 1)])
    scale = size / crop.side
    of_pixel = crop.points(np.array([int(u) + 0.5, int(v) + 0.5]), size)
    np.testing.assert_allclose(centre, of_pixel, atol=0.05 * scale)
    np.testing.assert_allclose(after, of_pixel, atol=0.5 * scale + 1e-9)
    assert (crop.side, crop.offset) == (64, (16 - 39, 3 - 16))


QUAD = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_the_pose_image_is_flat_color_on_black_where_the_camera_projects_it() -> None:
    camera, size = Pinhole.distant(64), 64
    colors = np.tile([0.8, 0.2, 0.4], (4, 1))
    turned = QUAD @ np.array([[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]])  # steeply lit, were it lit
    in_camera = turned + np.array([0.3, -0.2, 80.0])
    image = render_pose(in_camera, FACES, colors, camera, size)
    corners = camera.project(in_camera)
    assert image.shape == (64, 64, 3)
    u, v = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    inside = (u > corners[:, 0].min() + 1) & (u < corners[:, 0].max() - 1)
    inside &= (v > corners[:, 1].min() + 1) & (v < corners[:, 1].max() - 1)
    outside = (u < corners[:, 0].min() - 1) | (u > corners[:, 0].max() + 1)
    outside |= (v < corners[:, 1].min() - 1) | (v > corners[:, 1].max() + 1)
    assert inside.sum() > 100 and (image[inside] == (204, 51, 102)).all() and (image[outside] == 0).all()


def test_colors_are_interpolated_between_vertices() -> None:
    colors = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    image = render_pose(QUAD + np.array([0, 0, 64.0]), FACES, colors, Pinhole.distant(64), 64)
    middle = image[31:33, 31:33].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(middle, (127.5, 127.5, 0), atol=2)
    assert image[20, 45, 0] > image[20, 20, 0] and image[45, 20, 1] > image[20, 20, 1]


def test_a_body_outside_the_image_leaves_it_black() -> None:
    image = render_pose(QUAD + np.array([50, 0, 64.0]), FACES, np.ones((4, 3)), Pinhole.distant(32), 32)
    assert image.max() == 0


def test_the_viewpoint_frames_the_whole_clip_upright() -> None:
    tall = np.array([[[-0.3, 0, 0], [0.3, 1.7, 0.1]], [[0.7, 0, 0], [1.1, 1.7, 0.2]]])  # (2 frames, 2 points, 3)
    viewpoint = Viewpoint.of_clip(tall, azimuth_deg=90.0)
    uv = Pinhole.distant(100).project(viewpoint.to_camera(tall))
    assert uv.min() >= 9 and uv.max() <= 91, "a tenth on either side, up to the little perspective there is"
    heights = uv[..., 1]
    assert (heights[:, 0] > heights[:, 1]).all(), "feet are below heads"
    assert np.ptp(heights) == pytest.approx(80, rel=0.02)
    # From the person's left, forward (z) is image left.
    front = Viewpoint(np.zeros(3), 90.0, 40.0).to_camera(np.array([0.0, 0, 1]))
    assert front[0] < -0.99
