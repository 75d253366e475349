"""What needs no running Ray, in a process that is not connected to one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.private_ray.folder import session_folder

pytestmark = pytest.mark.unconnected


def test_a_session_folder_is_gone_afterwards_and_a_dead_ones_at_the_next_start(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from drpose_ray.core.private_ray.folder import session_folder
with session_folder(pathlib.Path({str(tmp_path)!r})) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    abandoned = Path(child.stdout.readline().strip())
    others = tmp_path / "drpose-ray-of-nobody"
    others.mkdir()
    with session_folder(tmp_path) as own:
        assert abandoned.is_dir()  # its owner lives
        assert own.stat().st_mode & 0o777 == 0o700
    child.send_signal(signal.SIGKILL)
    child.wait()
    with session_folder(tmp_path) as own:
        assert sorted(tmp_path.iterdir()) == sorted([own, others])
    assert list(tmp_path.iterdir()) == [others]


def test_an_address_that_leads_nowhere_is_one_line_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from drpose_ray.core import on_ray

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr(on_ray, "_JOIN_SECONDS", 2.0)
    assert_not_joined(address, monkeypatch, seconds=10)


def test_a_server_that_is_no_ray_is_one_line_within_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from drpose_ray.core import on_ray

    monkeypatch.setattr(on_ray, "_GREETING_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert_not_joined(f"127.0.0.1:{silent.getsockname()[1]}", monkeypatch, seconds=30)


def assert_not_joined(address: str, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from drpose_ray.core.on_ray import local_or_cluster_ray

    monkeypatch.setenv("RAY_ADDRESS", address)
    begin = time.monotonic()
    with pytest.raises(InputError) as refused, local_or_cluster_ray(1):
        pass
    assert time.monotonic() - begin < seconds
    assert refused.value.field == "RAY_ADDRESS"
    assert "\n" not in str(refused.value)


def test_a_ray_that_does_not_start_is_tried_again_and_then_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ray

    from drpose_ray.core.private_ray.on_ray import private_ray

    tries: list[Any] = []

    def too_slow(*_: Any, **settings: Any) -> None:
        tries.append(settings)
        raise RuntimeError("The current node timed out during startup.\nLast 10 lines of the log follow")

    monkeypatch.setattr(ray, "init", too_slow)
    before = dict(os.environ)
    with pytest.raises(InputError, match="does not start") as refused, private_ray(1, parent=tmp_path):
        pass
    assert len(tries) == 3
    assert "\n" not in str(refused.value)
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []
