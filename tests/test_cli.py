"""The ``drpose`` command and the shims of ``jobs/``: one table, nothing heavy before a command is chosen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from drpose_ray.cli import COMMANDS, load_job, main, words_of

ROOT = Path(__file__).resolve().parents[1]
SHIM = (ROOT / "jobs" / "finetune.py").read_text()


def test_help_needs_the_standard_library_alone() -> None:
    code = (
        "import sys, drpose_ray.cli; before = set(sys.modules); assert drpose_ray.cli.main(['--help']) == 0;"
        "loaded = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names;"
        "assert loaded <= {'drpose_ray', '__main__'}, loaded"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {words} " in done.stdout for words in COMMANDS)


@pytest.mark.parametrize("script", [command.script for command in COMMANDS.values()])
def test_each_command_has_a_job_and_a_shim_of_one_template(script: str) -> None:
    assert callable(load_job(script).main)
    expected = SHIM.replace("drpose finetune", f"drpose {words_of(script)}").replace("jobs/finetune", f"jobs/{script}")
    assert (ROOT / "jobs" / f"{script}.py").read_text() == expected.replace('run("finetune")', f'run("{script}")')


def test_the_folder_of_shims_holds_nothing_else() -> None:
    files = {path.name for path in (ROOT / "jobs").iterdir() if path.name != "__pycache__"}
    assert files == {f"{command.script}.py" for command in COMMANDS.values()}


def test_a_shim_runs_the_code_of_its_own_folder(tmp_path: Path) -> None:
    """What ``ray job submit --working-dir`` unpacks, whatever is installed on that machine."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "drpose_ray").mkdir()
    (tmp_path / "jobs" / "finetune.py").write_text(SHIM)
    (tmp_path / "drpose_ray" / "__init__.py").touch()
    (tmp_path / "drpose_ray" / "cli.py").write_text("def run(script):\n    print('here:', script)\n    return 7\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "jobs" / "finetune.py"], cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, "here: finetune\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["finetun"], "did you mean 'finetune'"),
        (["data"], "one of: data build, data plan"),
        (["scans", "mke"], "one of: scans make"),
        (["\x1b[31m" + "x" * 500], "see drpose --help"),
        (["--config", "a.yaml"], "value: '--config a.yaml'"),
        (["help", "data"], "one of: data build"),
    ],
)
def test_a_command_that_does_not_exist_is_refused_in_one_line(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    text = capsys.readouterr().err
    assert said in text and text.count("\n") == 1 and len(text) < 400 and "\x1b" not in text


@pytest.mark.parametrize("argv", [["help", "data", "verify"], ["--help", "data", "verify"]])
def test_help_of_a_command_may_be_asked_for_first(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0 and "--verify.deep" in capsys.readouterr().out


def test_help_of_a_command_names_it_as_it_was_typed() -> None:
    code = "import sys; from drpose_ray.cli import main; sys.exit(main(['finetune', 'plan-memory', '--help']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Usage: drpose finetune plan-memory \[--config", done.stdout, re.MULTILINE)
