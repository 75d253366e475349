"""The chain that makes the shipped weights, at its smallest, and the weights themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from drpose_ray.diffusion.published.layout import load_i2mv
from drpose_ray.evaluation.estimator.estimator import PoseEstimator
from drpose_ray.experiments import weights
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.synthesis import people_job as render_people

SHIPPED = Path("weights/small")


def tiny_preset(root: Path) -> Path:
    shards = root / "people"
    preset = {
        "run": {"folder": str(root), "seed": 0},
        "people": {
            "per_shard": 4,
            "workers": 1,
            "sets": {
                "narrow": {"num": 8, "seed": 1, "mixture": {"standing": 1.0}},
                "broad": {"num": 8, "seed": 2, "mixture": {"dance": 0.5, "mocap": 0.5}},
            },
        },
        "twin": {"num": 4, "texture_size": 64, "mixture": {"standing": 1.0}},
        "renders": {"engine": "raycast", "image_size": 96, "view_set": "era3d", "depth": False, "workers": 1},
        "base": {
            "multiview_shards": [str(shards / "narrow")], "num_held_out": 2,
            "vae": {"updates": 2, "batch_size": 2}, "unet": {"updates": 2, "batch_size": 2},
        },
        "reward": {
            "multiview_shards": [str(root / "renders"), str(shards / "broad")],
            "i2mv": str(root / "fit_base" / "i2mv"),
            "fit": {"updates": 2, "samples_per_update": 2, "validation_samples": 2},
        },
        "estimator": {
            "multiview_shards": [str(shards / "broad"), str(shards / "narrow")],
            "i2mv": str(root / "fit_base" / "i2mv"),
            "fit": {"updates": 2, "samples_per_update": 2, "validation_samples": 2},
        },
    }  # fmt: skip
    path = root / "weights.yaml"
    path.write_text(yaml.safe_dump(preset))
    return path


@pytest.mark.slow
def test_the_chain_makes_every_file_that_is_shipped(tmp_path: Path, ray_session: None) -> None:
    preset = tiny_preset(tmp_path)
    assert weights.main(["--config", str(preset)]) == 0
    made = {str(p.relative_to(tmp_path / "small")) for p in (tmp_path / "small").rglob("*") if p.is_file()}
    shipped = {str(p.relative_to(SHIPPED)) for p in SHIPPED.rglob("*") if p.is_file()}
    assert made - {"metrics.json"} == shipped - {"README.md"}
    assert load_i2mv(tmp_path / "small" / "i2mv").latent_shape == (2, 6, 4, 16, 16)
    summary = json.loads((tmp_path / "weights" / "summary.json").read_text())
    assert set(summary["files"]) == {name for name in made if "." in Path(name).name}


def test_shipped_weights_load_and_stay_small() -> None:
    assert load_i2mv(SHIPPED / "i2mv").image_size == 96
    assert SkeletonPredictor.load(SHIPPED / "predictor.safetensors").config.map_size == 32
    PoseEstimator.load(SHIPPED / "estimator.safetensors")
    assert sum(p.stat().st_size for p in SHIPPED.rglob("*") if p.is_file()) < 20e6


def test_render_people_without_sets_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render_people.main(["--run.folder", str(tmp_path)]) == 2
    assert "people.sets" in capsys.readouterr().err


@pytest.mark.parametrize("section", ["people", "twin"])
def test_garments_that_are_not_there_are_refused_before_hours_of_work(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--run.folder", str(tmp_path / "run"), f"--{section}.garments", str(tmp_path / "none")]
    assert weights.main(argv) == 2
    if section == "people":
        assert (
            render_people.main([*argv, "--people.sets", '{"a": {"num": 1, "seed": 0, "mixture": {"dance": 1}}}']) == 2
        )
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
