"""jobs/finetune.py with the paper's preset on a generated checkpoint in Era3D's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from jobs import finetune
from tests.diffusion.published_configs import ERA3D_TINY
from tests.finetune.paper_run import write_paper_run


@pytest.mark.slow
def test_two_workers_give_the_same_model_under_zero_2_and_zero_3(tmp_path: Path, ray_session: None) -> None:
    from drpose_ray.diffusion.layout import load_i2mv

    shared = [
        *write_paper_run(tmp_path, ERA3D_TINY), "--finetune.parallel.num_workers", "2",
        "--finetune.optimizer.learning_rate", "1e-4", "--finetune.algorithm.kl_weight", "0.1",
        "--finetune.export.precision", "float32",
    ]  # fmt: skip
    stages = {"zero2": ("2", "resident"), "zero3": ("3", "sharded")}
    for name, (stage, reference) in stages.items():
        ways = [
            "--finetune.name",
            name,
            "--finetune.parallel.zero_stage",
            stage,
            "--finetune.parallel.reference",
            reference,
        ]
        assert finetune.main([*shared, *ways]) == 0
        summary = json.loads((tmp_path / "run" / "finetune" / name / "summary.json").read_text())
        assert summary["iterations"] == 2 and summary["kl_end"] > 0
    zero2, zero3 = (load_i2mv(tmp_path / "run" / "finetune" / name / "model").unet.state_dict() for name in stages)
    start = load_i2mv(tmp_path / "base").unet.state_dict()
    moved = max(float((zero2[name] - value.float()).abs().max()) for name, value in start.items())
    assert moved > 1e-4, "training moved the weights by ten times the tolerance"
    for name, value in zero2.items():
        torch.testing.assert_close(zero3[name], value, rtol=0, atol=1e-5, msg=name)
