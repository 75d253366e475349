"""The report on a GPU, as far as a machine without one can tell: PyTorch's meta device stands in for it.

Its tensors hold no numbers, and to mix them with the CPU's raises, as it does on a GPU; they come back as zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.build import build_i2mv
from drpose_ray.diffusion.config import small_architecture
from drpose_ray.diffusion.vae import ImageVAE
from drpose_ray.evaluation.estimator.estimator import PoseEstimator
from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig
from drpose_ray.evaluation.reward import job as report_reward
from drpose_ray.evaluation.reward.scored_predictor import ScoredPredictor
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit.renders import at_once, decode_images, decode_latents, encode_renders
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.reward.posed_people import draw_images, draw_joints, frame_joints

GPU, CPU = torch.device("meta"), torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype))
    return GPU


@pytest.fixture(scope="module")
def people() -> PosedPeople:
    joints = draw_joints(3)
    return PosedPeople(
        joints, *frame_joints(joints), images=draw_images(joints, 96), latents=torch.randn(3, 2, 6, 4, 16, 16)
    )


@pytest.mark.parametrize(("size", "expected"), [(48, 64), (96, 64), (192, 16), (768, 1), (1024, 1)])
def test_a_call_holds_as_many_pixels_as_64_small_images(size: int, expected: int) -> None:
    assert at_once(64, 96, size) == expected


def test_scores_are_made_on_the_predictors_device_and_return(people: PosedPeople, gpu: torch.device) -> None:
    network, distance = SkeletonPredictor(PredictorConfig(channels=(8,))), SkeletonDistance(DistanceConfig())
    predictor = ScoredPredictor("far", network.to(gpu), distance.to(gpu), gpu)
    logits, maps = predictor.read(people.latents), predictor.draw(people)
    for made in (logits, maps, predictor.score(logits, maps, (0, 2)), predictor.perceptual(logits, maps)):
        assert made.device == CPU and len(made) == len(people)
    with pytest.raises(RuntimeError):
        predictor.predictor(people.latents.transpose(0, 1))  # what the test is worth: unmoved latents are noticed


@pytest.mark.parametrize(
    ("work", "shape"),
    [
        (lambda vae, people: encode_renders(vae, people.images, 96), (3, 2, 6, 4, 16, 16)),
        (lambda vae, people: decode_images(vae, people.latents), (3, 2, 6, 3, 96, 96)),
        (lambda vae, people: decode_latents(vae, people.latents), (3, 2, 6, 3, 96, 96)),
    ],
)
def test_images_and_latents_visit_the_vaes_device(
    work: Callable[[ImageVAE, PosedPeople], torch.Tensor],
    shape: tuple[int, ...],
    people: PosedPeople,
    gpu: torch.device,
) -> None:
    made = work(build_i2mv(small_architecture(), seed=0).vae.to(gpu), people)
    assert made.device == CPU and made.shape == shape


def test_generating_and_judging_return_to_the_cpu(
    people: PosedPeople, gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, estimator = build_i2mv(small_architecture(), seed=0), PoseEstimator(EstimatorConfig())
    monkeypatch.setattr("drpose_ray.diffusion.published.layout.load_i2mv", lambda *_, **__: model)
    monkeypatch.setattr(PoseEstimator, "load", lambda _: estimator)
    moved = report_reward._load_model(Path("x"), None, gpu)
    (latents,) = report_reward._generate(moved, people, 1, 0).values()
    assert latents.device == CPU and latents.shape == people.latents.shape
    judge = report_reward._estimator_judge(Path("x"), gpu)
    assert judge(people.images.float() / 255, people).shape == (len(people),)


def test_people_are_generated_alike_in_small_calls(people: PosedPeople, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_i2mv(small_architecture(), seed=0).freeze()
    (together,) = report_reward._generate(model, people, 1, 0).values()
    monkeypatch.setattr(report_reward, "_GENERATED_AT_ONCE", 1)
    (apart,) = report_reward._generate(model, people, 1, 0).values()
    torch.testing.assert_close(apart, together, rtol=1e-3, atol=1e-3)
