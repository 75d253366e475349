from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.poses.windows_file import write_selection
from drpose_ray.synthesis import job as synthesize
from drpose_ray.synthesis.config import ClothedBodyConfig
from tests.datasets.builder.stripes import Stripes, make_windows


def _stripes(config: ClothedBodyConfig, seed: int) -> Stripes:
    assert config.body and config.body.is_absolute()  # workers may run in another directory
    return Stripes(seed)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("drpose_ray.synthesis.clothed_body.ClothedBody", _stripes)
    write_selection(
        tmp_path / "run/select_poses/selection.parquet", {"train": make_windows(5), "test": make_windows(2)}
    )
    return [
        "--run.folder",
        str(tmp_path / "run"),
        "--synthesis.sequences_per_shard",
        "2",
        "--synthesis.clothed_body.body",
        "b.npz",
        "--synthesis.quality",
        "null",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_the_job_fills_the_dataset_of_one_split_and_a_rerun_builds_nothing(
    arguments: list[str], tmp_path: Path
) -> None:
    for built_now in (3, 0):
        assert synthesize.main(arguments) == 0
        summary = json.loads((tmp_path / "run/synthesize/train/summary.json").read_text())
        assert summary["shards_built_now"] == built_now
        assert summary["frames_ok"] == read_manifest(tmp_path / "run/shards/train").frames_ok == 15
        assert list(inspect(tmp_path / "run/shards/train")) == []


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (["--synthesis.split", "holdout"], "no windows of this split"),
        (["--synthesis.selection", "/nowhere/selection.parquet"], "cannot read the selection"),
        (["--synthesis.output", "/dev/null/shards"], "choose a writable"),
    ],
)
def test_bad_input_is_one_line_and_status_2_before_anything_is_written(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], problem: str
) -> None:
    assert synthesize.main([*arguments, *extra]) == 2
    errors = capsys.readouterr().err
    assert problem in errors and errors.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["select_poses"]


def test_the_folder_of_another_dataset_is_refused_with_status_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run/shards/train"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("precious")
    assert synthesize.main(arguments) == 2
    assert "something other than this dataset" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
