"""What this machine has of what the jobs use: versions, devices, memory, disks, ports, compilers. Starts nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import torch

from drpose_ray.core.device import Device
from drpose_ray.core.files.reading import reason
from drpose_ray.doctor.finding import Finding

_GIB: Final = 2**30
_LEAST_SHARED: Final = 2**28
"""Bytes of shared memory: a private Ray keeps 200 MiB of objects there."""
_LEAST_DISK: Final = 2 * _GIB
_LEAST_MEMORY: Final = 4 * _GIB


def examine_machine(folder: Path, device: Device, *, compiles: bool) -> Iterator[Finding]:
    """One finding per matter.

    Args:
        folder: of the run, which need not be there yet.
        device: what the settings ask for.
        compiles: whether the settings need a compiler.
    """
    yield _python()
    yield _torch(device)
    yield _packages()
    yield _memory()
    yield _space("run folder", folder, _LEAST_DISK, "free space, or name another run.folder")
    yield _space(
        "shared memory", Path("/dev/shm"), _LEAST_SHARED,  # noqa: S108 - where Ray keeps its objects
        "give the container more (docker run --shm-size=1g)",
    )  # fmt: skip
    yield _temporary()
    yield _port()
    yield _blender()
    yield _compiler(needed=compiles)


def _python() -> Finding:
    tested = "" if sys.version_info[:2] == (3, 11) else ", which is not the tested 3.11"
    return Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}{tested}")


def _torch(device: Device) -> Finding:
    built = f"torch {torch.__version__}, built for CUDA {torch.version.cuda or 'none'}"
    gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    if not gpus and device == "cuda":
        return Finding("GPU", "missing", f"{built}; it sees none", "use run.device: cpu, or a machine with a GPU")
    seen = ", ".join(f"{gpu.name} {gpu.total_memory / _GIB:.0f} GiB" for gpu in gpus)
    return Finding("GPU", "ok" if gpus else "unused", f"{built}; {seen or 'it sees none, so jobs run on the CPU'}")


def _packages() -> Finding:
    found, absent = [], []
    for name in ("ray", "deepspeed", "diffusers", "transformers", "smplx", "lpips"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    if absent:
        return Finding("packages", "missing", ", ".join(absent), "make demo installs them into .venv")
    return Finding("packages", "ok", ", ".join(found))


def _memory() -> Finding:
    page = os.sysconf("SC_PAGE_SIZE")
    whole, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    told = f"{whole / _GIB:.1f} GiB, {free / _GIB:.1f} of them free; {os.cpu_count()} CPUs"
    if whole < _LEAST_MEMORY:
        return Finding("memory", "wrong", told, f"{_LEAST_MEMORY // _GIB} GiB are the least for the small models")
    return Finding("memory", "ok", told)


def _space(name: str, folder: Path, least: int, remedy: str) -> Finding:
    """Free bytes where ``folder`` is or will be."""
    try:
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
        free = shutil.disk_usage(there).free
        writable = os.access(there, os.W_OK)
    except (OSError, ValueError) as error:
        return Finding(name, "wrong", f"{folder}: {reason(error)}", remedy)
    told = f"{folder}: {free / _GIB:.1f} GiB free"
    if not writable:
        return Finding(name, "wrong", f"{told}, but {there} may not be written to", "name another, or get the right to")
    return Finding(name, "ok" if free >= least else "wrong", told, "" if free >= least else remedy)


def _temporary() -> Finding:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"\0")
    except OSError as error:
        return Finding("temporary folder", "wrong", reason(error), "set TMPDIR to a folder that may be written to")
    return Finding("temporary folder", "ok", tempfile.gettempdir())


def _port() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
    except OSError as error:
        return Finding("ports", "wrong", reason(error), "allow processes of this machine to listen on 127.0.0.1")
    return Finding("ports", "ok", f"127.0.0.1 is listened on where asked, e.g. at {port}")


def _blender() -> Finding:
    if importlib.util.find_spec("bpy") is None:
        return Finding(
            "Blender", "unused", "no module bpy: scans are rendered with rays",
            "pip install '.[blender]' (GPL, Python 3.11) for renders.engine: blender",
        )  # fmt: skip
    return Finding("Blender", "ok", f"bpy {version('bpy')}")


def _compiler(*, needed: bool) -> Finding:
    tools = {name: shutil.which(name) for name in ("c++", "ninja")}
    absent = [name for name, place in tools.items() if place is None]
    if absent:
        return Finding(
            "compiler", "missing" if needed else "unused", f"no {' and no '.join(absent)}",
            "install g++ and ninja; only finetune.rollout.compile and DeepSpeed's own operators need them",
        )  # fmt: skip
    return Finding("compiler", "ok", ", ".join(str(place) for place in tools.values()))
