"""The whole chain on toy settings: real parts, nothing learned."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from drpose_ray.core.errors import AnotherRunError
from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.core.settings.config import Config
from drpose_ray.evaluation.drpose.summary import JudgementSummary
from drpose_ray.experiments import pipeline
from drpose_ray.experiments.pipeline import PipelineConfig, Stage, by_content, plan_stages, run_stage
from drpose_ray.synthesis.config import SynthesisConfig


class StageConfig(Config):
    """Settings of a pretended stage."""

    value: int = 0


def make_stage(folder: Path, calls: list[str], value: int = 0, status: int = 0) -> Stage:
    def run(argv: Sequence[str] | None) -> int:
        calls.append("run")
        folder.mkdir(parents=True, exist_ok=True)
        if status == 0:
            (folder / "summary.json").write_text("{}")
        return status

    return Stage("stage", run, StageConfig(value=value), folder)


def test_a_stage_is_skipped_only_with_a_summary_the_same_settings_and_the_same_upstream(tmp_path: Path) -> None:
    calls: list[str] = []
    folder, markers = tmp_path / "stage", tmp_path / "pipeline"
    markers.mkdir()

    def ran(stage: Stage, upstream: str) -> bool:
        before = len(calls)
        status, _, summary = run_stage(stage, markers, upstream)
        assert status == 0
        assert summary.done_before == (len(calls) == before)
        return len(calls) > before

    assert ran(make_stage(folder, calls), "a")
    assert not ran(make_stage(folder, calls), "a")
    assert ran(make_stage(folder, calls), "b")
    assert ran(make_stage(folder, calls, value=1), "b")
    (folder / "summary.json").unlink()
    assert ran(make_stage(folder, calls, value=1), "b")


def test_a_stage_depends_on_the_content_of_what_it_names_and_on_no_path(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        (place / "motions").mkdir(parents=True)
        (place / "motions" / "a.npy").write_bytes(b"clip")
        (place / "predictor").write_bytes(b"weights")
        (place / "base" / "unet").mkdir(parents=True)
        (place / "base" / "model_index.json").write_text("{}")
        (place / "base" / "unet" / "weights").write_bytes(b"unet")

    def content(place: Path) -> object:
        config = PipelineConfig.model_validate({
            "run": {"folder": place / "run", "tracking_uri": None}, "poses": {"motions": [place / "motions"]},
            "finetune": {
                "model": {"base": place / "base"}, "reward": {"predictor": place / "predictor"},
                "data": {"dataset": place / "run" / "shards" / "train"},
            },
        })  # fmt: skip
        return by_content(config, place / "run", FileHashes())

    assert content(here) == content(there)
    for file in ("motions/a.npy", "predictor", "base/unet/weights"):
        before = content(there)
        (there / file).write_bytes(b"other bytes")
        assert content(there) != before, file
    assert content(here) != content(there)


def test_with_mimo_only_the_training_images_are_its_own(tmp_path: Path) -> None:
    mimo = {"weights": "w", "photos": "p", "photo_licence": "CC0-1.0", "color_table": "c.npy"}
    config = PipelineConfig.model_validate({"run": {"folder": tmp_path}, "synthesis": {"mimo": mimo}})
    drawn = {stage.name: stage.config.synthesis for stage in plan_stages(config) if "synthesize" in stage.folder.parts}
    assert {name: settings.mimo is not None for name, settings in drawn.items()} == {
        "train": True, "challenging": False, "standing": False
    }  # fmt: skip
    assert drawn["challenging"].clothed_body.multiview and drawn["standing"].clothed_body.multiview
    with pytest.raises(ValidationError, match="MIMO draws no six views"):
        SynthesisConfig.model_validate({"mimo": mimo, "clothed_body": {"multiview": True}})


def test_a_failed_stage_stops_the_chain_and_is_run_again(tmp_path: Path) -> None:
    calls: list[str] = []
    status, _, _ = run_stage(make_stage(tmp_path / "stage", calls, status=2), tmp_path, "")
    assert status == 2
    status, _, summary = run_stage(make_stage(tmp_path / "stage", calls), tmp_path, "")
    assert (status, summary.done_before, len(calls)) == (0, False, 2)


def test_a_run_that_an_earlier_version_began_is_refused_whole(tmp_path: Path) -> None:
    calls: list[str] = []
    (tmp_path / "stage.yaml").write_text("poses: {num_dance_clips: 6}\n")
    (tmp_path / "stage.json").write_text('{"fingerprint": "0", "seconds": 1}')
    with pytest.raises(AnotherRunError, match="earlier version") as refused:
        run_stage(make_stage(tmp_path / "stage", calls), tmp_path, "")
    assert not calls and (tmp_path / "stage.json").exists() and "new run.folder" in refused.value.remedy


@pytest.fixture
def toy_flags(tmp_path: Path, tracking_uri: str) -> list[str]:
    from drpose_ray.diffusion.build import build_i2mv
    from drpose_ray.diffusion.config import small_architecture
    from drpose_ray.diffusion.published.layout import save_i2mv
    from drpose_ray.evaluation.estimator.estimator import PoseEstimator
    from drpose_ray.evaluation.estimator.estimator_config import EstimatorConfig

    run = tmp_path / "toy"
    save_i2mv(build_i2mv(small_architecture(), seed=0), tmp_path / "base")
    torch.manual_seed(0)
    PoseEstimator(EstimatorConfig()).save(tmp_path / "estimator.safetensors")
    settings = {
        "run.folder": run,
        "run.tracking_uri": tracking_uri,
        "poses.motions": "[]",
        "poses.dance.num_clips": 6,
        "poses.dance.seconds": 3,
        "poses.window": 2,
        "poses.num_train": 4,
        "poses.num_val": 0,
        "poses.num_test": 3,
        "poses.test_share": 0.3,
        "synthesis.clothed_body.multiview": "true",  # so that the reward can be fitted on the same toy shards
        "synthesis.workers": 1,
        "reward.multiview_shards": f'["{run / "shards" / "train"}"]',
        "reward.i2mv": tmp_path / "base",
        "reward.fit.updates": 2,
        "reward.fit.validation_samples": 2,
        "finetune.model.base": tmp_path / "base",
        "finetune.reward.predictor": tmp_path / "missing.safetensors",
        "finetune.algorithm.num_sampling_steps": 2,
        "finetune.algorithm.num_train_steps": 1,
        "finetune.algorithm.max_early_stop": 1,
        "finetune.optimizer.gradient_accumulation": 1,
        "finetune.optimizer.num_iterations": 2,
        "evaluate.estimator": tmp_path / "estimator.safetensors",
        "evaluate.num_standing": 2,
        "evaluate.num_sampling_steps": 2,
    }
    return [part for name, value in settings.items() for part in (f"--{name}", str(value))]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_pipeline_goes_from_motions_to_a_report_and_does_nothing_twice(
    tmp_path: Path,
    toy_flags: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pipeline.main(toy_flags) == 0
    run = tmp_path / "toy"
    assert "results from free stand-ins" in capsys.readouterr().out
    judgement = JudgementSummary.model_validate_json((run / "evaluate" / "summary.json").read_text())
    assert {(row.pose_set, row.num_poses) for row in judgement.rows} == {("challenging", 3), ("standing", 2)}
    assert (run / "evaluate" / "report.html").stat().st_size > 100_000
    with (run / "evaluate" / "per_pose.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 4 * (3 + 2)
    summary = json.loads((run / "pipeline" / "summary.json").read_text())
    assert [stage["name"] for stage in summary["stages"]] == [
        "select_poses", "train", "challenging", "standing", "fit_reward", "drpose", "drpose_no_kl", "evaluate",
    ]  # fmt: skip
    assert summary["claims"] == {verdict.key: verdict.holds for verdict in judgement.verdicts}

    def refuse(name: str) -> Callable[[Sequence[str] | None], int]:
        def run_again(argv: Sequence[str] | None) -> int:
            raise AssertionError(f"{name} was run again")

        return run_again

    for name in ("select_poses", "synthesize", "fit_reward", "finetune", "evaluate"):
        monkeypatch.setattr(getattr(pipeline, name), "main", refuse(name))
    assert pipeline.main(toy_flags) == 0
    assert "Holds: " in (out := capsys.readouterr().out) or "Not shown" in out
    with pytest.raises(AssertionError, match="evaluate was run again"):
        pipeline.main([*toy_flags, "--evaluate.num_sampling_steps", "1"])
