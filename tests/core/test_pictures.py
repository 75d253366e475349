from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from drpose_ray.core.drawing.figures import panels, save
from drpose_ray.core.drawing.pictures import as_png, grid, on_white, to_pixels


def test_a_grid_is_white_where_a_cell_is_missing_or_a_row_ends() -> None:
    red, blue = (np.full((2, 3, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    sheet = grid([[None, red], [blue]])
    assert sheet.shape == (4, 6, 3)
    assert (sheet[:2, 3:] == red).all() and (sheet[2:, :3] == blue).all()
    assert (sheet[:2, :3] == 255).all() and (sheet[2:, 3:] == 255).all()


def test_pixels_are_rounded_and_cut_off_and_channels_come_last() -> None:
    pixels = to_pixels(torch.tensor([-1.0, 0.5, 2.0]).reshape(3, 1, 1).expand(2, 3, 4, 5))
    assert pixels.shape == (2, 4, 5, 3) and pixels.dtype == np.uint8
    assert pixels[0, 0, 0].tolist() == [0, 128, 255]


def test_alpha_is_composited_on_white() -> None:
    assert on_white(np.array([[[10, 20, 30, 0], [10, 20, 30, 255]]], np.uint8)).tolist() == [[[255] * 3, [10, 20, 30]]]


def test_a_figure_is_a_png_of_few_colors() -> None:
    figure, axes = panels(2, width=2, height=1)
    axes[0].plot([0, 1])
    image = Image.open(io.BytesIO(save(figure, dpi=50, num_colors=16)))
    assert image.format == "PNG" and image.size == (200, 50) and len(image.getcolors()) <= 16
    assert Image.open(io.BytesIO(as_png(np.zeros((2, 2, 3), np.uint8)))).mode == "RGB"
