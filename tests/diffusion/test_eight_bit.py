"""What goes into the networks is what Pillow and the originals' order of steps make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.diffusion.eight_bit import crop_head, quantize, resize_bicubic
from drpose_ray.diffusion.inference.photo import prepare
from drpose_ray.diffusion.vae import ImageVAE
from tests.diffusion.published_checkpoint import VAE


def noise_image(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def tensor(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).movedim(-1, 0)[None] / 255


@pytest.mark.parametrize(("size", "side"), [(192, 28), (96, 48), (768, 224), (30, 90)])
def test_resizing_is_pillows_to_the_bit(size: int, side: int) -> None:
    pixels = noise_image(size)
    expected = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    ours = (resize_bicubic(tensor(pixels), side)[0].movedim(0, -1) * 255).round().byte().numpy()
    assert np.array_equal(ours, expected)


def test_every_level_is_itself_and_soft_ones_are_truncated() -> None:
    levels = torch.arange(256, dtype=torch.float32) / 255
    assert torch.equal((quantize(levels) * 255).round(), torch.arange(256.0))
    assert torch.equal((quantize(levels + 0.9 / 255)[:255] * 255).round(), torch.arange(255.0))


def test_the_head_of_post_training_is_that_of_generation() -> None:
    """Equal within the person; at its edge generation resizes before it composites, which post-training cannot."""
    pixels = np.zeros((300, 200, 4), np.uint8)
    pixels[20:280, 60:141] = 255
    pixels[20:280, 60:141, :3] = np.random.default_rng(1).integers(0, 256, (260, 81, 3))
    photo = prepare("p", Image.fromarray(pixels), size=192, crop_size=180)
    ours = (crop_head(tensor(photo.person))[0].movedim(0, -1) * 255).round().numpy()
    difference = np.abs(ours - photo.head.astype(float))
    assert difference[40:, 30:160].max() == 0 and difference.mean() < 1


def test_soft_pixels_are_truncated_on_white() -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[5:15, 5:15] = (101, 255, 0, 128)
    photo = prepare("p", Image.fromarray(pixels), size=24, crop_size=9)
    assert photo.person[12, 12].tolist() == [(101 * 128 + 255 * 127) // 255, 255, 255 * 127 // 255]


def test_a_view_with_channels_last_gives_the_latents_of_a_contiguous_one() -> None:
    torch.manual_seed(0)
    vae = ImageVAE(VAE, 1).eval()
    image = torch.rand(2, 64, 64, 3)
    with torch.no_grad():
        view, contiguous = vae.encode(image.movedim(-1, 1)), vae.encode(image.movedim(-1, 1).contiguous())
    assert torch.equal(view, contiguous)


def test_what_is_not_finite_is_not_drawn_black_or_white() -> None:
    torch.manual_seed(0)
    vae = ImageVAE(VAE, 1).eval()
    with torch.no_grad():
        vae.autoencoder.decoder.conv_out.bias.copy_(torch.tensor([torch.inf, -torch.inf, 0.0]))
        images = vae.decode(torch.zeros(1, 4, 8, 8))
    assert images[:, :2].isnan().all() and images[:, 2].isfinite().all()
