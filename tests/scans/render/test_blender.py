"""Blender's process: what it gives, and what becomes of a scan that ends it."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import BlenderConfig
from drpose_ray.scans.render.renderer import RenderedViews, RenderFailedError
from drpose_ray.scans.scan import Mesh
from tests.scans.render.people import ball, person

ROOT = Path(__file__).parents[3]
VIEWS = (View(0), View(90))
BALL = ball(textured=False)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Blender's files go, so that one can look at what is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def blender(scratch: Path) -> Iterator[BlenderRenderer]:
    renderer = BlenderRenderer(BlenderConfig(samples=4))
    yield renderer
    renderer.close()
    assert list(scratch.iterdir()) == []


def render(renderer: BlenderRenderer, mesh: Mesh = BALL, size: int = 32) -> RenderedViews:
    return renderer.render(mesh, Frame.around(mesh.vertices), VIEWS, size)


def assert_equal(one: RenderedViews, other: RenderedViews) -> None:
    for name in ("color", "alpha", "normal_world", "depth_m"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("shading", ["direct", "traced"])
def test_pixels_depend_on_no_earlier_scan_no_process_and_no_number_of_threads(shading: str, scratch: Path) -> None:
    seeded = {"samples": 4, "shading": shading, "seed": 3}
    first, second = (BlenderRenderer(BlenderConfig(**seeded, threads=threads)) for threads in (1, 2))
    try:
        fresh = render(first)
        render(second, person(1).mesh)
        render(second, ball(textured=True))
        assert_equal(render(second), fresh)
        assert_equal(render(first), fresh)
    finally:
        first.close()
        second.close()


def test_what_is_covered_is_the_ball_in_its_frame(blender: BlenderRenderer) -> None:
    views = render(blender, size=96)
    radius = 0.5 / np.sqrt(3)  # in frames
    assert views.alpha[0].mean() == pytest.approx(np.pi * radius**2, rel=0.02)
    assert views.depth_m[0].min() == pytest.approx(-0.5, abs=0.01)
    assert views.depth_m[0][0, 0] == np.inf
    np.testing.assert_allclose(views.normal_world[0][48, 48], [0, 0, 1], atol=0.05)
    np.testing.assert_allclose(views.normal_world[1][48, 48], [1, 0, 0], atol=0.05)
    assert views.normal_world[0][30, 48][1] > 0.3, "up is up"


@pytest.mark.parametrize("kind", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_costs_the_scan_and_says_what_happened(blender: BlenderRenderer, kind: signal.Signals) -> None:
    fresh = render(blender)
    victim = blender.pid
    assert victim is not None
    killer = threading.Timer(0.3, os.kill, (victim, kind))
    killer.start()
    with pytest.raises(RenderFailedError, match=f"ended with signal {int(kind)} "):
        render(blender, person(1).mesh, size=2048)
    killer.join()
    assert_equal(render(blender), fresh)
    assert blender.pid != victim


def test_a_mesh_that_crashes_blender_costs_itself(blender: BlenderRenderer) -> None:
    fresh = render(blender)
    wild = dataclasses.replace(BALL, faces=BALL.faces + 10**8)  # corners far outside the list of vertices
    with pytest.raises(RenderFailedError, match=r"ended with signal 11 \(SIGSEGV\)"):
        blender.render(wild, Frame.around(BALL.vertices), VIEWS, 32)
    assert_equal(render(blender), fresh)


def test_a_process_that_died_between_two_scans_is_noticed_by_the_next_and_replaced(blender: BlenderRenderer) -> None:
    fresh = render(blender)
    victim = blender.pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not is_alive(victim))
    with pytest.raises(RenderFailedError, match="ended with signal 9"):
        render(blender)
    assert_equal(render(blender), fresh)


def test_a_hung_process_is_ended_when_the_time_is_over(scratch: Path) -> None:
    renderer = BlenderRenderer(BlenderConfig(samples=4, timeout_s=5))
    fresh = render(renderer)
    hung = renderer.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(RenderFailedError, match="no answer within 5 s"):
        render(renderer)
    assert not is_alive(hung)
    assert_equal(render(renderer), fresh)
    renderer.close()


def test_an_error_inside_blender_is_the_scan_s_too(blender: BlenderRenderer) -> None:
    bad = Mesh(BALL.vertices, BALL.faces, np.zeros((3, 3), np.float32), texture=None, corner_uvs=None)
    with pytest.raises(RenderFailedError, match=r"blender: .*Error"):
        render(blender, bad)
    render(blender)


def test_textures_do_not_pile_up_beside_a_long_lived_process(scratch: Path, blender: BlenderRenderer) -> None:
    textured = ball(textured=True)
    for _ in range(3):
        render(blender, textured)
    assert list(scratch.rglob("*.bmp")) == []


def test_a_process_is_replaced_after_its_share_of_scans(scratch: Path) -> None:
    renderer = BlenderRenderer(BlenderConfig(samples=1, recycle=2))
    pids = []
    for _ in range(3):
        render(renderer, size=16)
        pids.append(renderer.pid)
    renderer.close()
    assert pids[0] == pids[1] != pids[2]
    assert not any(is_alive(pid) for pid in pids if pid)


def test_a_texture_is_forgotten_with_its_scan(blender: BlenderRenderer) -> None:
    mesh = ball(textured=True)
    assert mesh.texture is not None
    large = dataclasses.replace(mesh, texture=np.repeat(np.repeat(mesh.texture, 16, 1), 32, 0))  # 4 MB as RGBA
    sizes = []
    for _ in range(16):
        render(blender, large, size=16)
        status = Path(f"/proc/{blender.pid}/status").read_text()
        sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    assert sizes[-1] - sizes[5] < 10, sizes


@pytest.mark.parametrize("device", ["CUDA", "OPTIX"])
def test_a_device_that_is_not_there_is_an_error_and_not_a_slow_render(
    scratch: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the driver then shows none, if this machine has one
    renderer = BlenderRenderer(BlenderConfig(device=device))
    with pytest.raises(InputError, match="no such device") as caught:
        render(renderer)
    assert caught.value.field == "renders.blender.device"
    assert list(scratch.iterdir()) == []


def test_a_blender_that_does_not_start_is_no_scan_s_fault(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="does not start: blender ended with status 1"):
        render(BlenderRenderer(BlenderConfig()))
    assert list(scratch.iterdir()) == []


PARENT = """
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.config import BlenderConfig
from tests.scans.render.test_blender import render
renderer = BlenderRenderer(BlenderConfig(samples=4096))
render(renderer, size=16)
print(renderer.pid, flush=True)
render(renderer, size=1024)  # takes minutes
"""


def test_nothing_is_left_of_a_parent_that_was_killed_in_the_middle_of_a_render(scratch: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
    )  # fmt: skip
    assert parent.stdout
    child = int(parent.stdout.readline())
    time.sleep(1.5)  # by then it is deep inside Cycles
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_alive(child), 10)
    assert len(list(scratch.iterdir())) == 1
    other = BlenderRenderer(BlenderConfig(samples=1))
    render(other, size=16)
    assert len(list(scratch.iterdir())) == 1, "the next one clears away what the killed one had"
    other.close()
    assert list(scratch.iterdir()) == []
