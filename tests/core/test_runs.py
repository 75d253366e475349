from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.runs.origin import continue_as
from drpose_ray.core.runs.run import METRICS_FILE, RunRecord, RunSettings, Summary, describe_run, open_run, read_metrics

ROOT = Path(__file__).resolve().parents[2]


class Score(Summary):
    pose_score: float


def test_a_finished_run_holds_its_configuration_circumstances_metrics_and_summary(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "finetune"
    with open_run(RunSettings(seed=7), folder, "finetune") as run:
        run.log_metrics(0, {"loss": 1.5})
        run.log_metrics(1, {"loss": float("inf")})
        run.finish(Score(pose_score=-0.5))
    assert yaml.safe_load((folder / "config.resolved.yaml").read_text())["seed"] == 7
    record = RunRecord.model_validate_json((folder / "run.json").read_text())
    assert record.job == "finetune"
    assert record.packages["torch"]
    assert read_metrics(folder) == [{"step": 0, "loss": 1.5}, {"step": 1, "loss": None}]
    assert json.loads((folder / "summary.json").read_text()) == {"pose_score": -0.5}


def test_code_without_git_is_known_by_its_bytes(tmp_path: Path) -> None:
    """As a cluster unpacks it for a submitted job: no .git, another path."""

    def record_of(copy: Path) -> RunRecord:
        program = "from drpose_ray.core.runs.run import describe_run; print(describe_run('job').model_dump_json())"
        ran = subprocess.run(
            [sys.executable, "-c", program], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        return RunRecord.model_validate_json(ran.stdout)

    for name in ("drpose_ray", "jobs"):
        for unpacked in ("first", "second"):
            shutil.copytree(ROOT / name, tmp_path / unpacked / name)
    first, second = record_of(tmp_path / "first"), record_of(tmp_path / "second")
    assert first.git_revision is None
    assert first.source_sha256 == second.source_sha256 == describe_run("job").source_sha256
    (tmp_path / "second" / "drpose_ray" / "seeding.py").write_text("# edited")
    assert record_of(tmp_path / "second").source_sha256 != first.source_sha256


def test_a_run_that_failed_has_no_summary_not_even_an_older_one(tmp_path: Path) -> None:
    with open_run(RunSettings(), tmp_path, "job") as run:
        run.finish(Score(pose_score=0.0))
    with pytest.raises(RuntimeError), open_run(RunSettings(seed=1), tmp_path, "job"):
        raise RuntimeError
    assert not (tmp_path / "summary.json").exists()


def test_a_resumed_run_keeps_earlier_metrics_and_writes_redone_steps_once(tmp_path: Path) -> None:
    with open_run(RunSettings(), tmp_path, "job") as run:
        for step in range(4):
            run.log_metrics(step, {"loss": float(step)})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 4, "lo')  # what a kill in the middle of a write leaves
    with open_run(RunSettings(), tmp_path, "job", start_step=2) as run:
        run.log_metrics(2, {"loss": 20.0})
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path)] == [(0, 0.0), (1, 1.0), (2, 20.0)]


def test_a_run_that_is_refused_leaves_the_records_of_the_run_that_the_folder_holds(tmp_path: Path) -> None:
    with open_run(RunSettings(seed=7), tmp_path, "finetune") as run:
        continue_as(tmp_path / "origin.json", {"seed": 7}, begun=False, noun="checkpoints")
        run.log_metrics(0, {"loss": 1.5})
        run.finish(Score(pose_score=-0.5))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="another seed"), open_run(RunSettings(seed=8), tmp_path, "finetune"):
        continue_as(tmp_path / "origin.json", {"seed": 8}, begun=True, noun="checkpoints")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="run folder"), open_run(RunSettings(), tmp_path / "file" / "run", "job"):
        pass


def test_a_summary_refuses_numbers_that_json_cannot_hold() -> None:
    with pytest.raises(ValidationError):
        Score(pose_score=float("nan"))


def test_refused_input_is_one_line_on_stderr_and_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    @run_job
    def main(argv: Sequence[str] | None) -> None:
        raise InputError("no clips", file="motions", remedy="name a folder with .npy files")

    assert main([]) == 2
    assert capsys.readouterr().err == ("error: no clips; file: motions; remedy: name a folder with .npy files\n")


def test_a_job_that_ends_well_has_status_zero_and_one_that_breaks_keeps_its_traceback() -> None:
    assert run_job(lambda _: None)([]) == 0
    with pytest.raises(ZeroDivisionError):
        run_job(lambda _: 1 // 0)([])


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("start_step", [0, 3])
def test_a_link_in_the_place_of_the_metrics_is_not_written_through(
    tmp_path: Path, there: bool, start_step: int
) -> None:
    """A run folder may come from somebody else."""
    theirs, folder = tmp_path / "theirs", tmp_path / "run"
    folder.mkdir()
    (folder / METRICS_FILE).symlink_to(theirs)
    if there:
        theirs.write_text("" if start_step else "precious, and no JSON\n")
    before = theirs.read_text() if there else None
    with open_run(RunSettings(), folder, "finetune", start_step) as run:
        run.log_metrics(start_step, {"loss": 1.0})
    assert (theirs.read_text() if theirs.exists() else None) == before
    assert read_metrics(folder) == [{"step": start_step, "loss": 1.0}]
