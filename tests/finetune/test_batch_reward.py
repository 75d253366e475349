from __future__ import annotations

from pathlib import Path

import pytest
import torch

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import with_absolute_paths
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.finetune.batch_reward import BatchReward, TermedReward, load_batch_reward, score_with_terms
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.skeleton_maps import render_skeleton_maps
from tests.finetune.settings import finetune_config
from tests.reward.posed_people import draw_joints, frame_joints

CPU = torch.device("cpu")
DISTANCE = DistanceConfig(perceptual_size=32)


def calm(latents_x0: torch.Tensor, _poses: object) -> torch.Tensor:
    """A user's reward."""
    return -latents_x0.square().mean((0, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def batch() -> PosedPeople:
    joints = draw_joints(2)
    return PosedPeople(joints, *frame_joints(joints), ("a.00", "b.00"), input_images=torch.ones(2, 3, 8, 8))


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    return torch.randn(2, 2, 6, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def load(rewards: list[dict[str, object]]) -> BatchReward:
    return load_batch_reward(finetune_config({"reward.terms": rewards}), DISTANCE, CPU)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("second") / "predictor.safetensors"
    torch.manual_seed(0)
    SkeletonPredictor(PredictorConfig(map_size=16, channels=(8,))).save(path)
    return path


def test_the_default_is_the_papers_single_pose_score_bit_by_bit(batch: PosedPeople, latents: torch.Tensor) -> None:
    reward = load([])
    predictor = SkeletonPredictor.load(FinetuneConfig().reward.predictor)
    maps = render_skeleton_maps(batch.joints, batch.center, batch.width_m, torch.tensor(VIEW_AZIMUTHS_DEG), 32)
    expected = PoseScore(predictor, SkeletonDistance(DISTANCE))(latents, maps)
    assert torch.equal(reward(latents, batch), expected)
    assert not isinstance(reward, TermedReward)
    assert score_with_terms(reward, latents, batch)[1] == {}


def test_terms_are_summed_by_weight_and_told_by_name(batch: PosedPeople, latents: torch.Tensor) -> None:
    own = {"name": "calm", "function": f"{__name__}:calm", "weight": 0.25}
    total, terms = score_with_terms(load([{"name": "pose", "weight": 2.0}, own]), latents, batch)
    assert torch.equal(terms["pose"], load([])(latents, batch)), "no predictors means finetune.reward.predictor"
    torch.testing.assert_close(total, 2 * terms["pose"] + 0.25 * calm(latents, batch))


def test_an_ensemble_of_different_map_sizes_is_below_its_mean(
    batch: PosedPeople, latents: torch.Tensor, second: Path
) -> None:
    paths = [str(FinetuneConfig().reward.predictor), str(second)]
    each = torch.stack([load([{"name": "pose", "predictors": [path]}])(latents, batch) for path in paths])
    cautious = load([{"name": "pose", "predictors": paths, "deviations": 2.0}])(latents, batch)
    least = load([{"name": "pose", "predictors": paths, "caution": "least"}])(latents, batch)
    torch.testing.assert_close(cautious, each.mean(0) - 2 * each.std(0, unbiased=False))
    assert torch.equal(least, each.amin(0))


@pytest.mark.parametrize(
    "rewards",
    [
        [{"name": "twice"}, {"name": "twice"}],
        [{"name": "both", "function": "a:b", "predictors": ["p"]}],
        [{"name": "Not a name"}],
        [{"name": "pose", "deviations": -1}],
    ],
)
def test_terms_that_contradict_each_other_are_refused(rewards: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError):
        finetune_config({"reward.terms": rewards})


def test_parts_that_are_missing_are_found_before_workers_start(tmp_path: Path, second: Path) -> None:
    def check(rewards: list[dict[str, object]], settings: dict[str, object] | None = None) -> None:
        finetune_config({"reward.terms": rewards, **(settings or {})}).check_files()

    check([{"name": "pose", "predictors": [second]}], {"reward.predictor": tmp_path / "not there, not needed"})
    with pytest.raises(InputError) as error:
        check([{"name": "pose"}], {"reward.predictor": tmp_path / "none"})
    assert error.value.field == "finetune.reward.predictor"
    with pytest.raises(InputError) as error:
        check([{"name": "pose", "predictors": [second, tmp_path / "none"]}])
    assert error.value.field == "finetune.reward.terms (pose)" and error.value.file == tmp_path / "none"
    with pytest.raises(InputError, match="cannot be imported"):
        check([{"name": "mine", "function": "no_such_package:reward"}])


def test_a_predictor_of_other_latents_is_refused_by_its_term(tmp_path: Path) -> None:
    path = tmp_path / "predictor.safetensors"
    SkeletonPredictor(PredictorConfig(latent_size=8, map_size=8, channels=(8,))).save(path)
    with pytest.raises(InputError) as error:
        load([{"name": "pose", "predictors": [path]}])
    assert error.value.field == "finetune.reward.terms (pose)" and error.value.file == path


def test_paths_of_terms_are_made_absolute_for_workers() -> None:
    config = finetune_config({"reward.terms": [{"name": "pose", "predictors": ["a", "b"]}]})
    assert with_absolute_paths(config).reward.terms[0].predictors == (Path("a").absolute(), Path("b").absolute())
