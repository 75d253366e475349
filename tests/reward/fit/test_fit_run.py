"""A training with a run folder: killed and resumed, refused, pictured, and shared by workers of Ray Train."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from drpose_ray.core.errors import InputError
from drpose_ray.core.runs.run import read_metrics
from drpose_ray.core.training.fit import Fit
from drpose_ray.reward.config import DistanceConfig, RewardConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.fit.fit_predictor import predictor_fit
from drpose_ray.reward.fit.fit_run import FitTask, run_fit
from drpose_ray.reward.fit.latent_poses import read_latents
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.core.training.meeting import Meeting
from tests.reward.stored_people import write_model, write_people

DISTANCE = DistanceConfig(perceptual_size=32)
FIT = {
    "updates": 12, "samples_per_update": 4, "views_per_sample": 2, "validation_samples": 3, "validate_every": 4,
    "checkpoint_every": 3, "warmup_updates": 2, "patience": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and latents of its size."""
    folder = tmp_path_factory.mktemp("people")
    model = write_model(folder / "model")
    return model, write_people(folder / "latents", model)


@pytest.fixture(scope="module")
def undisturbed(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> FitTask:
    task = make_task(folders, tmp_path_factory.mktemp("undisturbed"))
    run_fit(task)
    return task


def make_task(folders: tuple[Path, Path], run_folder: Path, **changes: object) -> FitTask:
    model, latents = folders
    reward = RewardConfig.model_validate({
        "i2mv": model, "predictor": {"map_size": 16, "channels": (16, 24)},
        "fit": FIT | changes,
    })  # fmt: skip
    run_folder.mkdir(parents=True, exist_ok=True)
    return FitTask(reward, DISTANCE, (latents,), seed=1, run_folder=run_folder)


def metrics_of(task: FitTask) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if name != "seconds"} for line in read_metrics(task.run_folder)
    ]


def pid_of(task: FitTask, rank: int) -> int:
    return int(json.loads((task.run_folder / "workers" / f"rank_{rank:05d}.json").read_text())["pid"])


class Killed(Exception):  # noqa: N818 - no error of the program
    """Ends a training as a kill would: nothing is tidied up."""


def test_a_killed_training_goes_on_to_the_same_weights(
    folders: tuple[Path, Path], undisturbed: FitTask, tmp_path: Path
) -> None:
    task = make_task(folders, tmp_path)

    def kill(step: int, _: Mapping[str, float]) -> None:
        if step == 7:
            raise Killed

    with pytest.raises(Killed):
        run_fit(task, kill)
    seen: list[int] = []
    outcome = run_fit(task, lambda step, _: seen.append(step))
    assert seen == list(range(6, 12))
    assert task.predictor_file.read_bytes() == undisturbed.predictor_file.read_bytes()
    assert metrics_of(task) == metrics_of(undisturbed)
    assert task.outcome_file.read_text() == undisturbed.outcome_file.read_text()
    assert (outcome.samples, outcome.held_out_samples, outcome.updates) == (24, 6, 12)
    assert not task.checkpoint_file.exists()


def test_a_checkpoint_is_continued_under_its_own_settings_only(folders: tuple[Path, Path], tmp_path: Path) -> None:
    task = make_task(folders, tmp_path)

    def kill(step: int, _: Mapping[str, float]) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        run_fit(task, kill)
    with pytest.raises(InputError, match=r"another fit\.learning_rate") as refused:
        run_fit(make_task(folders, tmp_path, learning_rate=1e-3))
    assert refused.value.field == "fit.learning_rate"
    others = write_people(tmp_path / "others", folders[0], shards=1)
    with pytest.raises(InputError, match="another latents"):
        run_fit(replace(task, latents=(others,)))
    run_fit(make_task(folders, tmp_path, workers=2, checkpoint_every=5))  # changes nothing of the weights
    task.checkpoint_file.write_bytes(b"torn")
    with pytest.raises(InputError, match="not a checkpoint"):
        run_fit(task)


def test_every_validation_leaves_a_picture_that_shows_skeletons(undisturbed: FitTask) -> None:
    sheets = sorted((undisturbed.run_folder / "overlays").iterdir())
    assert [sheet.name for sheet in sheets] == [f"update_{done:06d}.png" for done in (4, 8, 12)]
    pixels = np.asarray(Image.open(sheets[-1])).astype(int)
    assert pixels.shape == (3 * 160, 8 * 160, 3)
    colorful = (pixels.max(-1) - pixels.min(-1) > 60).reshape(3, 160, 4, 2, 160).mean((1, 4))
    assert (colorful[:, :, 1] > 0.02).all()  # the true skeletons


def test_the_order_of_people_is_drawn_and_their_frames_stay_together(folders: tuple[Path, Path]) -> None:
    model, latents = folders
    data, same, other = (read_latents([latents], model, seed) for seed in (0, 0, 1))
    assert data.people.persons == same.people.persons != other.people.persons
    assert all(data.people.persons[row] == data.people.persons[row + 1] for row in range(0, 24, 2))
    stored = load_file(latents / "shard-000001.safetensors")
    row = data.people.persons.index("person1x2")
    assert torch.equal(data.latents[torch.tensor([row])][0], stored["latents"][4])
    assert torch.equal(data.people.joints[row], stored["joints"][4])


def test_all_scans_of_a_person_are_held_out_together(folders: tuple[Path, Path], tmp_path: Path) -> None:
    model, latents = folders
    scans = write_people(tmp_path / "scans", model, people=3, scans_per_person=2)  # the third spans both shards
    data = read_latents([scans], model, 0)
    assert sorted(set(data.people.persons)) == ["person0x0", "person0x2", "person1x1"], "named by their first record"
    training, held_out = data.hold_out(1)
    assert len(held_out) == 4 and set(training.people.persons).isdisjoint(held_out.people.persons)
    # In another dataset the same seeds are other people, unless records have the same key.
    both = read_latents([latents, scans], model, 0)
    assert sorted(set(both.people.persons)) == sorted(
        {f"person{shard}x{n}" for shard in (0, 1) for n in range(6)} - {"person0x1", "person1x0", "person1x2"}
    )


def test_latents_of_another_size_or_vae_or_too_few_people_are_refused(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    model, latents = folders
    other = write_people(tmp_path / "wide", model, shards=1, side=8)
    with pytest.raises(InputError, match="two sizes"):
        read_latents([latents, other], model, 0)
    with pytest.raises(InputError, match="do not fit the predictor"):
        run_fit(replace(make_task(folders, tmp_path), latents=(other,)))
    another = shutil.copytree(model, tmp_path / "model")
    config = json.loads((another / "vae" / "config.json").read_text())
    (another / "vae" / "config.json").write_text(json.dumps(config | {"scaling_factor": 2.0}))
    with pytest.raises(InputError, match="not of the VAE"):
        read_latents([latents], another, 0)
    with pytest.raises(InputError, match="no samples left") as refused:
        run_fit(make_task(folders, tmp_path, validation_samples=12))
    assert refused.value.field == "fit.validation_samples"
    with pytest.raises(InputError, match="no renders"):
        read_latents([], model, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_two_workers_one_of_them_killed_train_the_weights_of_two_undisturbed_processes(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Those agree with one process, see test_fit_predictor.py; over many updates sums in another order would drift."""
    from drpose_ray.reward.fit.on_ray import fit_on_ray

    task = make_task(
        folders, tmp_path / "pair", workers=2, updates=120, validate_every=40, checkpoint_every=10, patience=0
    )
    pids: list[int] = []

    def kill() -> None:
        while not task.checkpoint_file.exists():
            time.sleep(0.02)
        pids.extend(pid_of(task, rank) for rank in (0, 1))
        os.kill(pids[1], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    seen: list[int] = []
    outcome = fit_on_ray(task, lambda update, _: seen.append(update))
    assert not killer.is_alive()
    assert pid_of(task, 1) not in pids, "the workers were not restarted"
    assert seen == list(range(120)) and outcome.updates == 120
    assert (task.run_folder / "overlays" / "update_000120.png").exists()

    expected = undisturbed_pair(task)
    expected.result().save(tmp_path / "expected.safetensors")
    ours, theirs = (load_file(path) for path in (task.predictor_file, tmp_path / "expected.safetensors"))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert expected.validation and outcome.validation == pytest.approx(expected.validation.measured, rel=1e-6)


def undisturbed_pair(task: FitTask) -> Fit[SkeletonPredictor]:
    """The first of two threads that share the training of ``task``, at its end."""
    reward = task.reward
    data = read_latents(task.latents, reward.i2mv, task.seed)
    pair = [
        predictor_fit(data, reward.predictor, SkeletonDistance(DISTANCE), reward.fit, task.seed, share=share)
        for share in Meeting(2).shares()
    ]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda fit: [fit.step() for _ in range(reward.fit.updates)], pair))
    return pair[0]
