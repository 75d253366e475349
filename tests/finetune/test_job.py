"""jobs/finetune.py with the paper's preset on a generated checkpoint in Era3D's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.finetune import job as finetune
from tests.diffusion.published_configs import ERA3D_TINY
from tests.finetune.paper_run import write_paper_run


@pytest.mark.slow
def test_two_workers_train_a_model_sharded_over_them(tmp_path: Path, ray_session: None, tracking_uri: str) -> None:
    """That ZeRO 3 gives what ZeRO 2 gives is shown by finetune/test_modes.py."""
    from drpose_ray.diffusion.published.layout import load_i2mv

    argv = [
        *write_paper_run(tmp_path, ERA3D_TINY, tracking_uri), "--finetune.parallel.num_workers", "2",
        "--finetune.optimizer.learning_rate", "1e-4", "--finetune.algorithm.kl_weight", "0.1",
        "--finetune.export.precision", "float32",
        "--finetune.parallel.zero_stage", "3", "--finetune.parallel.reference", "sharded",
    ]  # fmt: skip
    assert finetune.main(argv) == 0
    folder = tmp_path / "run" / "finetune" / "drpose"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["iterations"] == 2 and summary["kl_end"] > 0
    start, trained = (load_i2mv(model).unet.state_dict() for model in (tmp_path / "base", folder / "model"))
    moved = max(float((trained[name] - value.float()).abs().max()) for name, value in start.items())
    assert 1e-4 < moved < 1e-2
