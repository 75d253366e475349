"""Cycles behind the renderers' interface: a child process that may crash or hang and costs one scan then."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.geometry.cameras import Frame
from drpose_ray.scans.render.blender.exchange import blender_axes, read_views, write_request
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import BlenderConfig
from drpose_ray.scans.render.renderer import RenderedViews, RenderFailedError
from drpose_ray.scans.scan import Mesh

START_S: Final = 180.0
"""Longest time for importing bpy and setting up, on a busy machine with a cold disk."""

_SCRATCH: Final = "drpose-blender-"
_NOT_PIXELS: Final = {"timeout_s", "recycle", "threads"}
_PROGRAM: Final = Path(__file__).resolve().with_name("blender_process.py")


class BlenderRenderer:
    """One Blender process, started when it is first needed; implements ``ScanRenderer``.

    Raises InputError if bpy is not installed here.
    """

    def __init__(self, config: BlenderConfig) -> None:
        self._config = config
        self._process: _BlenderProcess | None = None
        try:
            self._version = metadata.version("bpy")
        except metadata.PackageNotFoundError as error:
            raise InputError(
                "Blender is not installed here", field="renders.engine", value="blender",
                remedy="in the checkout: python -m pip install -e '.[blender]'; or set renders.engine to raycast",
            ) from error  # fmt: skip

    def settings(self) -> Mapping[str, Any]:
        return {**self._config.model_dump(mode="json", exclude=_NOT_PIXELS), "bpy": self._version}

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._process.pid if self._process else None

    def render(self, mesh: Mesh, frame: Frame, views: Sequence[View], size: int) -> RenderedViews:
        if self._process is not None and self._process.scans >= self._config.recycle:
            self.close()
        if self._process is None:
            self._process = _BlenderProcess(self._config)
        try:
            return self._process.render(mesh, frame, views, size)
        except BaseException:
            self.close()  # whatever state it is in, the next scan begins in a fresh one
            raise

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def __del__(self) -> None:
        self.close()


class _BlenderProcess:
    """A running ``scans.render.blender.blender_process``, its pipes, and its folder for meshes and pictures."""

    def __init__(self, config: BlenderConfig) -> None:
        self._timeout_s, self._device, self.scans = config.timeout_s, config.device, 0
        self._folder, self._lock = _own_folder()
        self._child: subprocess.Popen[bytes] | None = None
        lifeline, self._our_end = os.pipe()
        try:
            settings = config.model_dump(mode="json")
            for sun in settings["lights"]["suns"]:
                sun["towards"] = blender_axes(_unit(sun["towards"])).tolist()
            (self._folder / "settings.json").write_text(json.dumps(settings))
            with (self._folder / "stderr.txt").open("wb") as stderr:
                self._child = subprocess.Popen(
                    [sys.executable, "-P", str(_PROGRAM)], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=stderr, cwd=self._folder, pass_fds=(lifeline,),
                )  # fmt: skip
            self._answers = _Lines(self._child.stdout.fileno())  # type: ignore[union-attr]
            self._check_start(lifeline)
        except BaseException:
            self.end()
            raise
        finally:
            os.close(lifeline)

    @property
    def pid(self) -> int:
        assert self._child
        return self._child.pid

    def render(self, mesh: Mesh, frame: Frame, views: Sequence[View], size: int) -> RenderedViews:
        self.scans += 1
        request = write_request(self._folder, self.scans, mesh, frame, views, size)
        self._send(request)
        answer = self._answer(self._timeout_s)
        if "texture" in request:
            Path(request["texture"]).unlink()  # a thousand of them would fill the disk
        if "error" in answer:
            raise RenderFailedError(f"blender: {answer['error']}")
        try:
            return read_views([Path(view["file"]) for view in request["views"]], frame, views)
        except (OSError, ValueError) as error:
            raise RenderFailedError(f"blender wrote no picture ({error})") from error

    def end(self) -> None:
        os.close(self._our_end)
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                assert pipe
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _check_start(self, lifeline: int) -> None:
        try:
            self._say(json.dumps({"settings": "settings.json", "lifeline": lifeline}))
            answer = self._answer(START_S)
        except RenderFailedError as error:  # no scan's fault: a build should end with it
            raise OSError(f"Blender does not start: {error}") from error
        if "no_device" in answer:
            raise InputError(
                f"there is no such device for Blender: {answer['no_device']}", field="renders.blender.device",
                value=self._device, remedy="run on a machine that has one, or set renders.blender.device to CPU",
            )  # fmt: skip

    def _send(self, request: Mapping[str, Any]) -> None:
        (self._folder / "request.json").write_text(json.dumps(request))
        self._say("request.json")

    def _say(self, line: str) -> None:
        """Short enough for any pipe, so that this cannot hang."""
        assert self._child
        assert self._child.stdin
        try:
            self._child.stdin.write(f"{line}\n".encode())
        except BrokenPipeError as error:
            raise RenderFailedError(self._epitaph()) from error

    def _answer(self, seconds: float) -> dict[str, Any]:
        line = self._answers.read(seconds)
        if line is None:
            raise RenderFailedError(f"blender gave no answer within {seconds:g} s")
        if not line:
            raise RenderFailedError(self._epitaph())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _epitaph(self) -> str:
        """How the process ended, which it has, or is about to."""
        assert self._child
        try:
            status = self._child.wait(10)
        except subprocess.TimeoutExpired:
            return "blender closed its pipes"
        if status < 0:
            return f"blender ended with signal {-status} ({signal.Signals(-status).name})"
        said = (self._folder / "stderr.txt").read_text(errors="replace").strip().splitlines()
        return f"blender ended with status {status}" + (f": {said[-1]}" if said else "")


class _Lines:
    """Whole lines from a pipe, waited for no longer than was said."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""
        self._poll = select.poll()  # not select(): descriptors of a large process are above its 1024
        self._poll.register(descriptor, select.POLLIN)

    def read(self, seconds: float) -> bytes | None:
        """A line, or what there is of it when the pipe ends; None when the time is over."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not self._poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                return None
            data = os.read(self._descriptor, 65536)
            if not data:
                return b""
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line


def _unit(vector: Sequence[float]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = np.asarray(vector) / np.linalg.norm(vector)
    return unit


def _own_folder() -> tuple[Path, int]:
    """A new scratch folder and the lock on it. Folders whose owners were killed are removed on the way."""
    place = Path(tempfile.gettempdir())
    for folder in place.glob(f"{_SCRATCH}*"):
        _remove_if_left(folder)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=place))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # else another swept it away before it was locked
            return folder, lock
        os.close(lock)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # another's, or just removed
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # in use
    finally:
        os.close(lock)
