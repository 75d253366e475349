"""Numbers of settings that nobody means and no machine can do are refused when they are read."""

from __future__ import annotations

import pytest

from drpose_ray.diffusion.inference import job as generate_views
from drpose_ray.synthesis import job as synthesize
from drpose_ray.synthesis.planning import job as plan_synthesis


@pytest.mark.parametrize("value", ["1000000000", "-1", "1e300", "nan"])
@pytest.mark.parametrize(
    "setting",
    ["synthesis.clothed_body.image_size", "synthesis.num_poses", "synthesis.workers", "synthesis.sequences_per_shard"],
)
def test_of_synthesis(setting: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    if (setting, value) == ("synthesis.num_poses", "1000000000"):
        value = "10000000000"
    for job in (synthesize, plan_synthesis):
        assert job.main([f"--{setting}", value]) == 2
        assert setting.rpartition(".")[2] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_sampling_steps", "1000000000"), ("crop_size", "1000000000"), ("photos_per_call", "1000000000"),
        ("workers", "1000000000"), ("guidance_scale", "1e300"),
    ],
)  # fmt: skip
def test_of_views(setting: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_views.main([f"--generate.{setting}", value]) == 2
    assert setting in capsys.readouterr().err
