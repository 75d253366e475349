from __future__ import annotations

import numpy as np

from drpose_ray.geometry.cameras import world_to_cam
from drpose_ray.scans.meshes.srgb import srgb_to_linear
from drpose_ray.scans.render.images import (
    DEPTH_STEPS,
    color_images,
    depth_image,
    depth_metres,
    face_crop,
    normal_image,
)


def f32(*values: object) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_half_covered_pixel_keeps_its_color_in_rgba_and_is_mixed_with_white_on_white() -> None:
    light = srgb_to_linear(f32(0.2, 0.4, 0.6))
    on_white, rgba = color_images(np.stack([light, light / 2, light * 0]), f32(1, 0.5, 0))
    assert rgba[:2].tolist() == [[51, 102, 153, 255], [51, 102, 153, 128]]
    assert on_white[0].tolist() == [51, 102, 153]
    np.testing.assert_allclose(on_white[1], (f32(51, 102, 153) + 255) / 2, atol=1)
    assert on_white[2].tolist() == [255] * 3 and rgba[2, 3] == 0


def test_normals_are_the_input_camera_s_and_of_unit_length() -> None:
    towards = world_to_cam(30)[2].astype(np.float32)  # a surface that faces the input camera, seen from wherever
    image = normal_image(np.stack([towards, towards * 0.3, towards * 0]), f32(1, 1, 0), 30)
    assert image[0].tolist() == image[1].tolist() == [128, 128, 255]
    assert image[2].tolist() == [255] * 3
    assert normal_image(f32([1, 0, 0]), f32(1), 0)[0].tolist() == [255, 128, 128], "x is image right"


def test_depth_comes_back_within_half_a_step_and_nothing_stays_nothing() -> None:
    width = 2.1
    depth = np.append(np.linspace(-width / 2, width / 2, 999), np.inf).astype(np.float32)
    image = depth_image(depth, width)
    assert image.dtype == np.uint16 and image.shape == (1000, 1)
    assert (image[0, 0], image[-2, 0], image[-1, 0]) == (1, DEPTH_STEPS + 1, 0)
    np.testing.assert_allclose(depth_metres(image, width)[:-1], depth[:-1], atol=0.6 * width / DEPTH_STEPS)
    assert depth_metres(image, width)[-1] == np.inf


def test_the_face_is_the_middle_third_of_the_upper_third() -> None:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[:32, 32:64] = 200
    assert (face_crop(picture) == 200).all()
    assert face_crop(picture).shape == picture.shape
