"""jobs/fit_reward.py from renders and from their latents, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.reward.config import PREDICTOR_FILE
from drpose_ray.reward.fit import job as fit_reward
from drpose_ray.reward.fit import latents_job as encode_latents
from tests.diffusion.encoded.six_views import write_six_views
from tests.reward.stored_people import write_model

FLAGS = {
    "reward.predictor.map_size": 16, "reward.predictor.channels": "[8, 16]", "distance.perceptual_size": 32,
    "reward.fit.updates": 3, "reward.fit.samples_per_update": 2, "reward.fit.validation_samples": 1,
    "reward.fit.validate_every": 2,
}  # fmt: skip


def flags(**changes: object) -> list[str]:
    named = FLAGS | {name.replace("__", "."): value for name, value in changes.items()}
    return [part for name, value in named.items() for part in (f"--{name}", str(value))]


@pytest.mark.slow
def test_renders_are_encoded_once_and_their_latents_train_the_same_predictor(tmp_path: Path, tracking_uri: str) -> None:
    model = write_model(tmp_path / "model")
    dataset = write_six_views(tmp_path / "scans", frames=(2, 1, 0, 1), side=96)
    first, second = tmp_path / "first", tmp_path / "second"
    given = flags(run__folder=first, reward__i2mv=model, reward__multiview_shards=f'["{dataset}"]')
    assert fit_reward.main([*given, "--run.tracking_uri", tracking_uri]) == 0
    (latents,) = (first / "latents").iterdir()
    written = {path.name: path.stat().st_mtime_ns for path in latents.glob("*.safetensors")}
    assert len(written) == 4 and latents.name.startswith("scans-")

    assert fit_reward.main(flags(run__folder=second, reward__i2mv=model, reward__latents=f'["{latents}"]')) == 0
    assert {path.name: path.stat().st_mtime_ns for path in latents.glob("*.safetensors")} == written
    predictors = [(run / "fit_reward" / PREDICTOR_FILE).read_bytes() for run in (first, second)]
    assert predictors[0] == predictors[1]
    summary = json.loads((second / "fit_reward" / "summary.json").read_text())
    assert (summary["samples"], summary["updates"], summary["stopped_early"]) == (4, 3, False)
    assert summary["held_out_samples"] in {1, 2} and "psnr_db" in summary["validation"]
    assert list(second.glob("mlflow_artifacts/*/artifacts/update_000002.png"))


def test_without_renders_or_latents_there_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert encode_latents.main(["--run.folder", str(tmp_path)]) == 2
    assert "reward.multiview_shards" in capsys.readouterr().err
