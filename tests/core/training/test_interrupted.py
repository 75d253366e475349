"""A training that is stopped at any moment: the same command goes on from its last checkpoint, and says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drpose_ray.cli import load_job
from tests.diffusion.encoded.six_views import write_six_views
from tests.reward.stored_people import write_model, write_people


def flags(folder: Path, **settings: object) -> list[str]:
    given = {"run.folder": folder / "run", "run.device": "cpu"} | {k.replace("__", "."): v for k, v in settings.items()}
    return [part for name, value in given.items() for part in (f"--{name}", str(value))]


def reward_flags(folder: Path) -> list[str]:
    model = write_model(folder / "model")
    return flags(
        folder, reward__i2mv=model, reward__latents=f'["{write_people(folder / "latents", model)}"]',
        reward__predictor__map_size=16, reward__predictor__channels="[16, 24]", distance__perceptual_weight=0,
        reward__fit__updates=300, reward__fit__samples_per_update=4, reward__fit__views_per_sample=2,
        reward__fit__validation_samples=3, reward__fit__checkpoint_every=5,
    )  # fmt: skip


def estimator_flags(folder: Path) -> list[str]:
    dataset = write_six_views(folder / "scans", frames=(2, 1, 1), side=96)
    return flags(
        folder, estimator__i2mv=write_model(folder / "model"), estimator__multiview_shards=f'["{dataset}"]',
        estimator__network__channels="[8, 8]", estimator__fit__updates=400, estimator__fit__samples_per_update=2,
        estimator__fit__validation_samples=1, estimator__fit__checkpoint_every=5,
    )  # fmt: skip


def base_flags(folder: Path) -> list[str]:
    dataset = write_six_views(folder / "scans", frames=(2, 1, 1), side=96)
    return flags(
        folder, base__multiview_shards=f'["{dataset}"]', base__num_held_out=1,
        base__vae__updates=8, base__vae__batch_size=1, base__vae__checkpoint_every=2,
        base__unet__updates=8, base__unet__batch_size=1, base__unet__checkpoint_every=2,
    )  # fmt: skip


def stop_once_there(checkpoint: Path, job: str, given: list[str], by: signal.Signals) -> int:
    command = [sys.executable, "-m", f"jobs.{job}", *given]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(by)
    said, _ = process.communicate(timeout=120)
    assert checkpoint.exists() and "Traceback" not in said, said
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags_of", "checkpoints"),
    [
        ("fit_reward", reward_flags, ["checkpoint"]),
        ("fit_estimator", estimator_flags, ["checkpoint"]),
        ("fit_base", base_flags, ["vae_checkpoint", "unet_checkpoint"]),
    ],
    ids=["reward", "estimator", "base"],
)
def test_a_stopped_fit_is_resumed_by_the_same_command(
    name: str,
    flags_of: Callable[[Path], list[str]],
    checkpoints: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, job = flags_of(tmp_path), load_job(name)
    folder, undisturbed = tmp_path / "run" / name, tmp_path / "undisturbed" / name
    for checkpoint, by in zip(checkpoints, (signal.SIGINT, signal.SIGKILL), strict=False):
        status = stop_once_there(folder / f"{checkpoint}.safetensors", name, given, by)
        assert status == (130 if by == signal.SIGINT else -by)
    assert job.main(given) == 0
    assert "resuming after update " in capsys.readouterr().out
    assert job.main([part.replace(str(tmp_path / "run"), str(tmp_path / "undisturbed")) for part in given]) == 0
    made = {str(path.relative_to(undisturbed)) for path in undisturbed.rglob("*.safetensors")}
    assert made == {str(path.relative_to(folder)) for path in folder.rglob("*.safetensors")}
    assert all((folder / file).read_bytes() == (undisturbed / file).read_bytes() for file in made)
    resumed, expected = (json.loads((each / "summary.json").read_text()) for each in (folder, undisturbed))
    where = dict.fromkeys(("predictor", "estimator"))
    assert resumed | where == expected | where
