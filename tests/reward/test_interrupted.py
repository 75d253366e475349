"""Ctrl-C in the middle of a training: the same command goes on from the last checkpoint, and says so."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reward.stored_people import write_model, write_people


@pytest.mark.slow
def test_an_interrupted_fit_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    latents = write_people(tmp_path / "latents", model)
    fit = {
        "updates": 300,
        "samples_per_update": 4,
        "views_per_sample": 2,
        "validation_samples": 3,
        "checkpoint_every": 5,
    }
    command = [
        sys.executable, "-m", "jobs.fit_reward", "--run.folder", str(tmp_path / "run"), "--run.device", "cpu",
        "--reward.i2mv", str(model), "--reward.latents", f"[{latents}]", "--reward.predictor.map_size", "16",
        "--reward.predictor.channels", "[16, 24]", "--distance.perceptual_weight", "0",
        *(part for name, value in fit.items() for part in (f"--reward.fit.{name}", str(value))),
    ]  # fmt: skip
    checkpoint = tmp_path / "run" / "fit_reward" / "checkpoint.safetensors"
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not checkpoint.exists() and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert checkpoint.exists() and "Traceback" not in said
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert "resuming after update " in again.stdout and " of 300" in again.stdout
    assert (tmp_path / "run" / "fit_reward" / "predictor.safetensors").exists() and not checkpoint.exists()
