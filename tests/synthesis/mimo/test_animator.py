"""From photos and pose images to frames, at the tiny size."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.animator import Animator
from drpose_ray.synthesis.mimo.networks.model import MimoModel, make_schedule
from drpose_ray.synthesis.mimo.photo import cut_out
from tests.synthesis.mimo.tiny import make_model, portrait

SIZE, FRAMES = 64, 10
SIDE = SIZE // 8


@pytest.fixture(scope="module")
def model() -> MimoModel:
    return in_double(make_model())


def in_double(model: MimoModel) -> MimoModel:
    """Random networks magnify what single precision rounds away, until it is visible in the frames."""
    for network in model.networks:
        network.double()
    return model


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [cut_out(portrait()), cut_out(portrait((20, 60, 220)))]


def animator(model: MimoModel, **settings: float) -> Animator:
    return Animator(model, image_size=SIZE, **{"num_sampling_steps": 2, **settings})  # type: ignore[arg-type]


def poses(sequences: int, frames: int = FRAMES) -> torch.Tensor:
    return torch.rand(sequences, frames, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(4))


def test_ten_frames_are_the_same_again_and_whoever_else_is_drawn(model: MimoModel, photos: list[Image.Image]) -> None:
    drawing = animator(model)
    both = drawing.remember(photos)
    frames = drawing.animate(both, [1, 0], poses(2), [7, 8])
    assert frames.shape == (2, FRAMES, SIZE, SIZE, 3) and frames.dtype == torch.uint8
    assert torch.equal(frames, drawing.animate(both, [1, 0], poses(2), [7, 8]))
    alone = animator(model).animate(drawing.remember(photos[1:]), [0], poses(2)[:1], [7])
    assert (alone[0] != frames[0]).float().mean() < 1e-3, "only where truncation turns the last bit into a step"


def test_photo_poses_and_seed_each_change_the_frames(model: MimoModel, photos: list[Image.Image]) -> None:
    drawing = animator(model)
    both, pose = drawing.remember(photos), poses(1, 3)
    frames = drawing.animate(both, [0], pose, [7])
    for other in (
        drawing.animate(both, [1], pose, [7]),
        drawing.animate(both, [0], pose.flip(1), [7]),
        drawing.animate(both, [0], pose, [8]),
    ):
        assert (other != frames).float().mean() > 0.05


def test_guidance_combines_the_two_branches(model: MimoModel, photos: list[Image.Image]) -> None:
    reference, photo = animator(model).remember(photos[:1]), torch.tensor([0])
    latents, pose = torch.randn(1, 3, 4, SIDE, SIDE), torch.randn(1, 3, 32, SIDE, SIDE)

    def predict(scale: float) -> torch.Tensor:
        with torch.inference_mode():
            return animator(model, guidance_scale=scale)._predict(latents, 500, pose, reference, photo)

    conditional, stronger, strongest = predict(1.0), predict(2.0), predict(3.0)
    # v(s) = u + s (c - u) is a line through c at s = 1.
    torch.testing.assert_close(strongest - stronger, stronger - conditional, rtol=0, atol=1e-5)
    assert (stronger - conditional).abs().max() > 1e-3


@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_overlapping_windows_are_averaged(model: MimoModel, photos: list[Image.Image], scale: float) -> None:
    """With temporal modules that do nothing, frames do not know their window; a sum would count some twice."""
    still = in_double(make_model())
    still.denoiser.load_state_dict(model.denoiser.state_dict())
    for name, parameter in still.denoiser.named_parameters():
        if ".proj_out." in name and "temporal_transformer" in name:
            parameter.zero_()
    reference = animator(still).remember(photos[:1])
    latents, pose = torch.randn(1, 7, 4, SIDE, SIDE), torch.randn(1, 7, 32, SIDE, SIDE)
    outputs = []
    for window in (24, 4):
        drawing = animator(still, guidance_scale=scale, window_frames=window, overlap_frames=2)
        with torch.inference_mode():
            outputs.append(drawing._predict(latents, 500, pose, reference, torch.tensor([0])))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-5)


def test_clips_longer_than_a_window_are_drawn(model: MimoModel, photos: list[Image.Image]) -> None:
    drawing = animator(model, num_sampling_steps=1, window_frames=4, overlap_frames=1)
    assert drawing.animate(drawing.remember(photos[:1]), [0], poses(1, 7), [0]).shape[1] == 7


def test_photo_and_background_are_encoded_once(model: MimoModel, photos: list[Image.Image]) -> None:
    encoded: list[int] = []
    reference_calls: list[int] = []
    hooks = [
        model.vae.autoencoder.encoder.register_forward_hook(lambda _m, given, _o: encoded.append(len(given[0]))),
        model.reference_unet.register_forward_hook(lambda _m, given, _o: reference_calls.append(len(given[0]))),
    ]
    drawing = animator(model, num_sampling_steps=1)
    reference = drawing.remember(photos)
    for seed in range(2):
        drawing.animate(reference, [0, 1], poses(2, 2), [seed, seed + 1])
    for hook in hooks:
        hook.remove()
    assert encoded == [2, 1] and reference_calls == [2], "both photos, then white; one row per photo in the bank"


def test_the_background_is_the_latent_of_white(model: MimoModel) -> None:
    white = torch.ones(1, 3, SIZE, SIZE, dtype=torch.float64)
    with torch.inference_mode():
        mean = model.vae.autoencoder.encode(white).latent_dist.mean * 0.18215
        torch.testing.assert_close(animator(model).background, mean[0])


def test_the_schedule_starts_from_pure_noise_and_has_the_published_steps() -> None:
    schedule = make_schedule(25)
    assert schedule.timesteps.tolist() == list(range(999, 0, -40))
    assert schedule.alphas_cumprod[-1] == 0 and schedule.init_noise_sigma == 1


def test_sequences_that_do_not_fit_together_are_refused(model: MimoModel, photos: list[Image.Image]) -> None:
    drawing = animator(model)
    reference = drawing.remember(photos[:1])
    for photo, seeds, pose in (([0], [1, 2], poses(1, 2)), ([0], [1], poses(1, 2)[..., :32])):
        with pytest.raises(InputError, match="do not fit together"):
            drawing.animate(reference, photo, pose, seeds)
    with pytest.raises(InputError, match="multiple of 8"):
        Animator(model, image_size=100)
