from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.runs.lock import LOCK_FILE, locked
from drpose_ray.core.runs.run import RunSettings, open_run


def hold(folder: Path) -> subprocess.Popen[str]:
    code = f"""
import pathlib, time
from drpose_ray.core.runs.run import RunSettings, open_run
with open_run(RunSettings(), pathlib.Path({str(folder)!r}), "finetune"):
    print("held", flush=True)
    time.sleep(600)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    return child


def leave_record(folder: Path, host: str, pid: int, seconds_ago: float) -> None:
    file = folder / LOCK_FILE
    file.write_text(json.dumps({"job": "finetune", "host": host, "pid": pid, "since": "some day"}))
    then = time.time() - seconds_ago
    os.utime(file, (then, then))


def test_a_second_job_in_a_folder_is_refused_and_a_killed_ones_is_taken_over(tmp_path: Path) -> None:
    child = hold(tmp_path)
    try:
        before = (tmp_path / "run.json").read_text()
        with pytest.raises(InputError) as refused, open_run(RunSettings(seed=9), tmp_path, "evaluate"):
            pass
        assert f"pid {child.pid}" in str(refused.value) and "job finetune" in str(refused.value)
        assert (tmp_path / "run.json").read_text() == before  # nothing of the first job was touched
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with open_run(RunSettings(seed=9), tmp_path, "evaluate"):
        pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_stages_in_folders_of_their_own_run_inside_a_pipeline(tmp_path: Path) -> None:
    with open_run(RunSettings(), tmp_path / "pipeline", "pipeline"):
        for _ in range(2):
            with open_run(RunSettings(), tmp_path / "stage", "stage"):
                pass
        with pytest.raises(InputError, match="another job"), open_run(RunSettings(), tmp_path / "pipeline", "x"):
            pass


@pytest.mark.parametrize(("seconds_ago", "free"), [(5, False), (3600, True)])
def test_another_machine_holds_a_folder_as_long_as_it_renews_its_record(
    tmp_path: Path, seconds_ago: float, free: bool
) -> None:
    """Flock may not reach it."""
    leave_record(tmp_path, "node-7", 4242, seconds_ago)
    if free:
        with locked(tmp_path, "finetune"):
            pass
        return
    with pytest.raises(InputError, match="host node-7, pid 4242"), locked(tmp_path, "finetune"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == [LOCK_FILE]


def test_a_holder_renews_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drpose_ray.core.runs.lock._BEAT_SECONDS", 0.05)
    with locked(tmp_path, "finetune"):
        os.utime(tmp_path / LOCK_FILE, (0, 0))
        end = time.monotonic() + 10
        while (tmp_path / LOCK_FILE).stat().st_mtime < 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert (tmp_path / LOCK_FILE).stat().st_mtime > time.time() - 60


def test_without_the_kernels_lock_a_living_process_of_this_machine_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl
    import socket

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    leave_record(tmp_path, socket.gethostname(), os.getpid(), 0)
    with pytest.raises(InputError, match="another job"), locked(tmp_path, "finetune"):
        pass
    leave_record(tmp_path, socket.gethostname(), 2**22 + 1, 0)
    with locked(tmp_path, "finetune"):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_lock_that_is_no_file_is_refused_and_what_it_leads_to_kept(tmp_path: Path, kind: str) -> None:
    """A run folder may come from somebody else, with a link in it."""
    theirs, folder = tmp_path / "theirs", tmp_path / "run"
    theirs.write_text("precious")
    folder.mkdir()
    {"link": lambda lock: lock.symlink_to(theirs), "pipe": os.mkfifo, "folder": Path.mkdir}[kind](folder / LOCK_FILE)
    with pytest.raises(InputError), locked(folder, "finetune"):
        pass
    assert theirs.read_text() == "precious"


@pytest.mark.parametrize("record", ["[" * 4096, "null", '{"host": 3}', "\0"])
def test_a_record_that_says_nothing_holds_nothing(tmp_path: Path, record: str) -> None:
    (tmp_path / LOCK_FILE).write_text(record)
    os.utime(tmp_path / LOCK_FILE, (0, 0))
    with locked(tmp_path, "finetune"):
        pass


def test_a_record_of_a_time_to_come_holds_no_longer_than_another(tmp_path: Path) -> None:
    leave_record(tmp_path, "elsewhere", 1, seconds_ago=-3600)
    with locked(tmp_path, "finetune"):
        pass
