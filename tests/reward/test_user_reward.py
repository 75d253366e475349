from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.reward.user_reward import CheckedReward, import_reward

SHAPE = (2, 6, 4, 8, 8)
CPU = torch.device("cpu")


def per_object(latents_x0: torch.Tensor, _poses: PosedPeople) -> torch.Tensor:
    return -latents_x0.square().mean((0, 2, 3, 4, 5))


def of_the_batch(latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
    return per_object(latents_x0 - latents_x0.mean(1, keepdim=True), poses)


def a_count(latents_x0: torch.Tensor, _poses: PosedPeople) -> torch.Tensor:
    return (latents_x0 > 0).sum((0, 2, 3, 4, 5)).float()


def of_the_pose_alone(latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
    return poses.width_m + 0 * latents_x0.mean((0, 2, 3, 4, 5))


def too_many(latents_x0: torch.Tensor, _poses: PosedPeople) -> torch.Tensor:
    return latents_x0.mean((0, 3, 4, 5))


def one_number(latents_x0: torch.Tensor, _poses: PosedPeople) -> torch.Tensor:
    return latents_x0.mean()


def not_finite(latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
    return per_object(latents_x0, poses).log()


def steep(latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
    return (per_object(latents_x0, poses) * 0).sqrt()


def broken(_latents_x0: torch.Tensor, _poses: PosedPeople) -> torch.Tensor:
    raise KeyError("weights")


not_callable = 3


@pytest.mark.parametrize(
    "path",
    ["no_colon", ":function", "torch:", "no_such_package:f", "torch:no_such_function", f"{__name__}:not_callable"],
)
def test_a_bad_import_path_is_refused(path: str) -> None:
    with pytest.raises(InputError) as error:
        import_reward(path)
    assert error.value.field == "function" and error.value.value == path


def test_an_error_inside_the_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reward_of_errors.py").write_text("import no_such_thing_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="no_such_thing_at_all"):
        import_reward("reward_of_errors:f")


@pytest.mark.parametrize(
    ("reward", "problem"),
    [
        (too_many, "one number per object"),
        (one_number, "one number per object"),
        (a_count, "carries no gradient"),
        (of_the_pose_alone, "does not depend on the latents"),
        (not_finite, "is not finite"),
        (steep, "gradient of the reward is not finite"),
        (of_the_batch, "depends on the other objects"),
        (broken, "fails on random latents"),
    ],
)
def test_a_reward_outside_the_contract_is_refused_before_training(
    reward: Callable[..., torch.Tensor], problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as error:
        CheckedReward("mine", reward).probe(SHAPE, CPU)
    assert error.value.field == "finetune.reward.terms (mine)"


def test_a_good_reward_passes_and_is_not_changed() -> None:
    checked = CheckedReward("mine", per_object)
    checked.probe(SHAPE, CPU)
    latents = torch.randn(2, 3, 6, 4, 8, 8)
    assert torch.equal(checked(latents, None), per_object(latents, None))


def test_diverged_latents_are_left_to_the_guard_of_the_training() -> None:
    assert CheckedReward("mine", per_object)(torch.full((2, 1, 6, 4, 8, 8), torch.nan), None).isnan().all()


def test_the_example_of_the_documentation_is_a_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reward.md").read_text()
    (example,) = re.findall(r"```python\n# my_rewards.py\n(.*?)```", page, re.DOTALL)
    assert len(example.splitlines()) <= 20
    (tmp_path / "my_rewards.py").write_text(example)
    monkeypatch.syspath_prepend(str(tmp_path))
    function = re.search(r"my_rewards:(\w+)", page)
    assert function
    CheckedReward("example", import_reward(function.group())).probe(SHAPE, CPU)
