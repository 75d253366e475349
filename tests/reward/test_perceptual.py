from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.reward.perceptual import PerceptualDistance


@pytest.fixture(scope="module")
def random_features() -> PerceptualDistance:
    return PerceptualDistance(min_size=32)


@pytest.fixture(scope="module")
def backbone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torchvision state dict with other weights than the seeded random ones."""
    from torchvision.models import squeezenet1_1  # importable once PerceptualDistance has been built

    PerceptualDistance(min_size=32)
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), path)
    return path


def test_random_features_are_never_labelled_lpips(random_features: PerceptualDistance) -> None:
    assert random_features.name == "random-feature distance"
    assert "lpips" not in random_features.name.lower()


def test_with_backbone_weights_it_is_lpips_itself(random_features: PerceptualDistance, backbone_file: Path) -> None:
    import lpips

    calibrated = PerceptualDistance("squeeze", backbone_file, min_size=32)
    assert calibrated.name == "lpips"
    images, targets = torch.rand(2, 2, 3, 32, 32)
    stock = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    state = torch.load(backbone_file, weights_only=True)
    for name, parameter in stock.net.named_parameters():
        parameter.data.copy_(state["features." + name.split(".", 1)[1]])
    expected = stock(images, targets, normalize=True).flatten()
    torch.testing.assert_close(calibrated(images, targets), expected)
    assert not torch.allclose(expected, random_features(images, targets))


def test_distances_of_different_runs_are_comparable(random_features: PerceptualDistance) -> None:
    torch.manual_seed(123)
    images, targets = torch.rand(2, 2, 3, 32, 32)
    state = torch.get_rng_state()
    again = PerceptualDistance(min_size=32)
    assert torch.equal(torch.get_rng_state(), state), "building it disturbs the caller's random numbers"
    assert torch.equal(again(images, targets), random_features(images, targets))


def test_distance_is_zero_at_the_target_and_grows_with_the_error(random_features: PerceptualDistance) -> None:
    target = torch.rand(1, 3, 32, 32)
    errors = [float(random_features((target + s * torch.randn_like(target)).clamp(0, 1), target)) for s in (0.05, 0.3)]
    assert float(random_features(target, target)) == 0
    assert 0 < errors[0] < errors[1]


def test_unfit_backbone_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(InputError) as refused:
        PerceptualDistance("squeeze", path)
    assert refused.value.file == path


class Code:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("kind", ["archive", "pickle", "garbage", "pipe", "folder", "nan"])
def test_a_backbone_file_that_is_none_is_refused_and_runs_nothing(
    kind: str, backbone_file: Path, tmp_path: Path
) -> None:
    path, mark = tmp_path / "backbone.pth", tmp_path / "ran"
    if kind in {"pipe", "folder"}:
        {"pipe": os.mkfifo, "folder": Path.mkdir}[kind](path)
    elif kind == "nan":
        state = torch.load(backbone_file, weights_only=True)
        torch.save({name: tensor * float("nan") for name, tensor in state.items()}, path)
    elif kind == "garbage":
        path.write_bytes(b"garbage")
    else:
        torch.save({"features.0.weight": Code(mark)}, path, _use_new_zipfile_serialization=kind == "archive")
    with pytest.raises(InputError):
        PerceptualDistance("squeeze", path, min_size=32)
    assert not mark.exists()
