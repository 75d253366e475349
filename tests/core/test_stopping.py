"""Ctrl-C and SIGTERM as a user meets them: in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

JOB = """
import sys, time
from drpose_ray.core.job import run_job

@run_job
def stage(argv=None):
    {body}

@run_job
def main(argv=None):
    print("started", flush=True)
    status = stage()
    print("the next stage", status, flush=True)
    return status

if __name__ == "__main__":
    sys.exit(main())
"""


def lines(*code: str) -> str:
    """The body of the stage."""
    return "\n    ".join(code)


SLEEP = "time.sleep(60)"
STUBBORN = lines("try: time.sleep(60)", "except BaseException: time.sleep(60)")
SWALLOWS = lines("try: time.sleep(60)", "except BaseException as error: raise RuntimeError from error")
LIBRARY = lines(
    "import signal",
    "from drpose_ray.core.stopping import keeping_answers",
    "with keeping_answers(): signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))",
    SLEEP,
)


def stopped(folder: Path, body: str, *signals: signal.Signals) -> tuple[int, str, str, float]:
    """Exit status, both outputs, and seconds from the first signal to the end."""
    file = folder / "job.py"
    file.write_text(JOB.format(body=body))
    with subprocess.Popen(
        [sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as job:  # fmt: skip
        assert job.stdout is not None
        assert job.stdout.readline() == "started\n"
        time.sleep(0.3)
        begin = time.monotonic()
        for number in signals:
            job.send_signal(number)
            time.sleep(0.5)
        out, err = job.communicate(timeout=30)
        return job.returncode, out, err, time.monotonic() - begin


@pytest.mark.parametrize("body", [SLEEP, SWALLOWS], ids=["sleeps", "a library makes another error of it"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_job_and_the_one_around_it_stop_at_once_and_say_how_to_go_on(
    tmp_path: Path, body: str, number: signal.Signals, status: int
) -> None:
    code, out, err, seconds = stopped(tmp_path, body, number)
    assert code == status
    assert re.fullmatch(r"stopping \.\.\. run the same command again to go on.*", err.strip()), "and no traceback"
    assert "next stage" not in out
    assert seconds < 5


def test_a_second_ends_what_will_not_stop(tmp_path: Path) -> None:
    code, _, err, seconds = stopped(tmp_path, STUBBORN, signal.SIGINT, signal.SIGINT)
    assert code == 130 and seconds < 5
    assert "Traceback" not in err


def test_a_library_that_takes_the_signal_for_itself_does_not_keep_it(tmp_path: Path) -> None:
    assert stopped(tmp_path, LIBRARY, signal.SIGTERM)[0] == 143


def test_a_fault_keeps_its_traceback_and_ends_in_whom_to_tell(tmp_path: Path) -> None:
    body = lines(
        "from pathlib import Path",
        "from drpose_ray.core.runs.run import RunSettings, open_run",
        f"with open_run(RunSettings(), Path({str(tmp_path / 'run')!r}), 'x'): raise KeyError('inner')",
    )
    code, _, err, _ = stopped(tmp_path, body)
    assert code == 1
    assert "KeyError: 'inner'" in err
    *_, where, whom = err.splitlines()
    assert str(tmp_path / "run") in where
    assert "please report it" in whom


def test_warnings_are_one_clean_line_and_those_of_libraries_none(tmp_path: Path) -> None:
    body = lines(
        "import warnings",
        "warnings.warn('shards are\\nleft out', stacklevel=1)",
        "warnings.warn_explicit('deprecated', UserWarning, 'x.py', 1, module='torchvision.models')",
    )
    code, _, err, _ = stopped(tmp_path, body)
    assert (code, err) == (0, "warning: shards are left out\n")
