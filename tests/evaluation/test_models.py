"""Which models are judged: those that the run trained, or those that were named."""

from __future__ import annotations

from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import load_config
from drpose_ray.evaluation.drpose.job import CONFIG


def test_a_model_that_the_run_has_yet_to_train_is_refused_by_its_name(tmp_path: Path) -> None:
    flags = ["--run.folder", str(tmp_path)]
    with pytest.raises(InputError, match=r"drpose has not been trained.*jobs/pipeline\.py"):
        load_config(CONFIG, flags).model_folders()
    (tmp_path / "finetune" / "drpose" / "model").mkdir(parents=True)
    with pytest.raises(InputError, match="drpose_no_kl has not been trained"):
        load_config(CONFIG, flags).model_folders()
    named = load_config(CONFIG, [*flags, "--evaluate.drpose_no_kl", "mine"]).model_folders()
    assert named["drpose_no_kl"] == Path("mine")
