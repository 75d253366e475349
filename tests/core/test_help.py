"""``--help`` of every job: quick, in order of use, with the preset's values; and what is said of a mistyped flag."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.cli import load_job, words_of
from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import load_config
from drpose_ray.core.settings.dotted import dotted_names
from drpose_ray.core.settings.idle_flags import refuse_idle_flags
from drpose_ray.dev.schemas import job_modules

ROOT = Path(__file__).resolve().parents[2]
JOBS = [name for name in job_modules() if hasattr(load_job(name), "CONFIG")]
SLOW = (
    "torch", "torchvision", "ray", "diffusers", "transformers", "scipy", "matplotlib", "smplx", "pyarrow", "boto3",
    "trimesh", "mlflow", "lpips", "peft", "deepspeed", "webdataset", "skimage", "anny", "embreex", "bpy",
)  # fmt: skip

IMPORT_ALL = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {slow!r}:
            raise ImportError(name + " takes seconds to import: import it in the function that needs it")

sys.meta_path.insert(0, Refuse())
from drpose_ray.cli import load_job
from drpose_ray.dev.schemas import job_modules
for name in job_modules():
    load_job(name)
"""


def page(job: str, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    with pytest.raises(SystemExit) as caught:
        load_config(load_job(job).CONFIG, ["--help", *flags])
    assert caught.value.code == 0
    return capsys.readouterr().out


def refusal(job: str, *flags: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load_config(load_job(job).CONFIG, flags)
    assert "\n" not in str(caught.value)
    return caught.value


def test_no_job_imports_what_takes_seconds_before_its_flags_are_read() -> None:
    """Two seconds are what a user waits for --help: torch alone takes longer."""
    code = IMPORT_ALL.format(slow=SLOW)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("job", JOBS)
def test_help_begins_with_what_for_and_an_example_and_has_every_flag_once(
    job: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = page(job, capsys)
    module = load_job(job)
    assert text.split()[:4] == module.__doc__.replace("``", "").split()[:4]
    assert text.index(f"drpose {words_of(job)}") < text.index("\nUsage:") < text.index("\n  --run.folder PATH\n")
    for name in dotted_names(module.CONFIG):
        assert text.count(f"\n  --{name} ") <= 1
    assert max(len(line) for line in text.split("\nUsage:")[1].splitlines() if not line.startswith("  --")) <= 80


def test_the_settings_that_matter_come_first_and_all_of_them_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for job in JOBS:
        for section in load_job(job).CONFIG.model_fields.values():
            assert set(section.annotation.COMMON) <= set(dotted_names(section.annotation)), section.annotation
    text = page("finetune", capsys)
    assert (
        text.index("--finetune.algorithm.kl_weight") < text.index("\nrun:") < text.index("--finetune.optimizer.betas")
    )


def test_finetune_has_no_more_flags_than_a_reader_takes_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(re.findall(r"^  --[\w.]+ ", page("finetune", capsys), re.MULTILINE)) <= 60


@pytest.mark.parametrize("job", JOBS)
def test_no_flag_is_shown_that_the_job_refuses(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_job(job).CONFIG
    shown = re.findall(r"^  --([\w.]+) ", page(job, capsys), re.MULTILINE)
    assert shown
    for name in shown:
        nested: Any = "1"
        for part in reversed(name.split(".")):
            nested = {part: nested}
        refuse_idle_flags(config, nested, config.USES)


def test_the_values_of_the_preset_and_of_flags_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    preset = str(ROOT / "configs" / "small.yaml")

    def default(name: str, *flags: str) -> str:
        shown = page("finetune", capsys, *flags).split(f"\n  --{name} ")[1].split("\n  --")[0]
        return " ".join(shown.split()).split("Default: ")[1]

    assert default("finetune.algorithm.kl_weight") == "0.01."
    assert default("finetune.algorithm.kl_weight", "--config", preset) == "4.0."
    assert default("finetune.algorithm.eta", "--config", preset, "--finetune.algorithm.eta", "0.25") == "0.25."


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--finetune.kl_wieght", "did you mean --finetune.algorithm.kl_weight?"),
        ("--kl_weight", "did you mean --finetune.algorithm.kl_weight?"),
        ("--finetun.kl_weight", "did you mean --finetune.algorithm.kl_weight?"),
        ("--finetune.kl-weight", "did you mean --finetune.algorithm.kl_weight?"),
        ("--fintune", "did you mean --finetune?"),
        ("--confg", "did you mean --config?"),
        ("--" + "x" * 100_000, "the sections of this job are run, finetune, distance"),
    ],
)
def test_a_mistyped_flag_gets_its_suggestion(flag: str, meant: str) -> None:
    error = refusal("finetune", flag, "3")
    assert meant in error.remedy
    assert len(str(error)) < 700


def test_a_mistyped_choice_gets_its_suggestion() -> None:
    assert refusal("finetune", "--finetune.optimizer.schedule", "cosin").remedy == "did you mean 'cosine'?"


@pytest.mark.parametrize(
    "flags", [["--finetune.algorithm.kl_weight"], ["--finetune.algorithm.kl_weight", "--run.seed", "1"]]
)
def test_a_flag_without_its_value_is_refused(flags: list[str]) -> None:
    assert "no value" in refusal("finetune", *flags).problem


def test_a_job_runs_as_a_script_from_any_folder(tmp_path: Path) -> None:
    script = ROOT / "jobs" / "finetune.py"
    done = subprocess.run(
        [sys.executable, str(script), "--finetune.kl_wieght", "1"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean --finetune.algorithm.kl_weight?" in done.stderr


def test_a_python_without_the_packages_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "jobs.finetune", "--help"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "source .venv/bin/activate" in done.stderr and done.stderr.count("\n") == 1


def test_a_python_with_some_of_the_packages_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").touch()
    done = subprocess.run(
        [sys.executable, "-S", "-m", "jobs.finetune", "--help"],
        cwd=ROOT, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "source .venv/bin/activate" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_on_ends_a_job_in_silence(unbuffered: str) -> None:
    """As ``drpose finetune --help | head`` does."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "jobs.finetune", "--help"], cwd=ROOT, stdout=closed, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


def test_help_shows_no_credentials_and_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "\x1b[31m.yaml"
    preset.write_text("reward: {multiview_shards: ['s3://key:hunter2@bucket/a']}\nrun: {folder: \"a\\e[31m\"}\n")
    uri = "http://me:hunter2@host/"
    printed = page("fit_reward", capsys, "--config", str(preset), "--run.tracking_uri", uri)
    assert "http://***@host/" in printed and "s3:" in printed and "\\x1b[31m" in printed
    assert "hunter2" not in printed and "\x1b" not in printed


@pytest.mark.parametrize("job", JOBS)
def test_examples_are_printed_as_they_are_written(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = (load_job(job).__doc__ or "").replace("``", "").splitlines()
    examples = [line for line in written if "drpose " in line and "--" in line]
    assert set(examples) <= set(page(job, capsys).splitlines())


@pytest.mark.parametrize(
    ("job", "flags"),
    [
        ("select_poses", ["--poses.motions", '["data/cmu_subset/cmu_subset.npz"]']),
        ("finetune", []),
        ("fit_estimator", []),
        ("report_reward", ["--config", str(ROOT / "configs" / "report_reward.yaml")]),
    ],
)
def test_what_comes_with_the_repository_is_not_sought_in_vain_elsewhere(
    job: str, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_job(job).main(["--run.folder", "run", *flags]) == 2
    assert "with the repository" in capsys.readouterr().err
