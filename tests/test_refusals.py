"""Input that something in Ray refuses arrives as that one InputError, and is not tried again."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError, is_no_space, refusal_in
from drpose_ray.core.job import run_job
from drpose_ray.core.runs.run import RunSettings, open_run

REFUSED = InputError("no such model", file="unet/config.json", field="base", value=3, remedy="give another")


def refuse(*_: object) -> None:
    raise REFUSED


def refuse_once_told(folder: Path) -> None:
    """A worker of Ray Train that counts its attempts."""
    (folder / f"attempt_{len(list(folder.iterdir()))}").touch()
    raise REFUSED


class Refusing:
    def __init__(self) -> None:
        from drpose_ray.core.on_ray import Loaded

        self._loaded: Loaded[None] = Loaded(refuse)

    def use(self) -> None:
        self._loaded.get()


def make_refusing() -> Callable[[str], str]:
    raise REFUSED


def assert_as_raised(refused: pytest.ExceptionInfo[InputError]) -> None:
    assert type(refused.value) is InputError
    assert str(refused.value) == str(REFUSED)


@pytest.mark.slow
def test_from_a_task_and_from_what_an_actor_loads(ray_session: None) -> None:
    import ray

    from drpose_ray.core.on_ray import answers

    with pytest.raises(InputError) as refused:
        answers(ray.remote(refuse).remote())
    assert_as_raised(refused)
    actor = ray.remote(Refusing).remote()
    for _ in range(2):
        with pytest.raises(InputError) as refused:
            answers([actor.use.remote()])
        assert_as_raised(refused)


@pytest.mark.slow
def test_from_pools_of_ray_data(ray_session: None) -> None:
    from drpose_ray.core.on_ray import ActorPool, map_in_pools

    with pytest.raises(InputError) as refused:
        list(map_in_pools([ActorPool(make_refusing, ["a", "b"], 1)]))
    assert_as_raised(refused)


@pytest.mark.slow
def test_from_ray_train_without_another_attempt(ray_session: None, tmp_path: Path) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from drpose_ray.core.training.on_ray import run_trainer

    attempts = tmp_path / "attempts"
    attempts.mkdir()
    config = RunConfig(name="x", storage_path=str(tmp_path / "runs"), failure_config=FailureConfig(max_failures=3))
    with pytest.raises(InputError) as refused:
        run_trainer(
            TorchTrainer(
                functools.partial(refuse_once_told, attempts),
                scaling_config=ScalingConfig(num_workers=1),
                run_config=config,
            )
        )
    assert_as_raised(refused)
    assert len(list(attempts.iterdir())) == 1


def test_whatever_carries_a_refusal_ends_a_job_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    class WorkersError(Exception):
        def __init__(self) -> None:
            self.worker_failures = {0: RuntimeError("a neighbour"), 1: pickle.loads(pickle.dumps(REFUSED))}

    def main(_: object) -> None:
        raise RuntimeError("the controller died") from WorkersError()

    assert run_job(main)([]) == 2
    assert capsys.readouterr().err == f"error: {REFUSED}\n"
    assert refusal_in(RuntimeError("a bug")) is None


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded"),
              RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file")],
)  # fmt: skip
def test_a_full_disk_is_one_line_for_every_job(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_: object) -> None:
        with open_run(RunSettings(), tmp_path, "job"):
            raise RuntimeError("could not save") from error

    assert run_job(main)([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no space left") and str(tmp_path) in said and said.count("\n") == 1
    assert not (tmp_path / "run.lock").exists()


def test_a_full_disk_before_a_run_is_open_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_: object) -> None:
        raise OSError(28, "No space left on device", "/data/selection/x.parquet")

    assert run_job(main)([]) == 2
    assert "file: /data/selection;" in capsys.readouterr().err


def test_a_device_that_is_full_is_known_by_its_error() -> None:
    with pytest.raises(OSError) as full:
        Path("/dev/full").write_text("x")
    assert is_no_space(full.value)
    assert not is_no_space(OSError(5, "Input/output error"))
