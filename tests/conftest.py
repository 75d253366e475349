"""Fixtures of the whole suite. Nothing here needs a network, a GPU or licensed data."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

pytest_plugins = ("tests.shapes", "tests.s3_server")

# Before any test module is imported: the libraries read these when they are.
os.environ.update(
    HF_HUB_OFFLINE="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_TRAIN_HEALTH_CHECK_INTERVAL_S="0.2",  # a killed worker loses at most this much of reported progress
    RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S="300",
    RAY_TRAIN_ENABLE_PREEMPTION_WATCHER="0",
    GIT_PYTHON_REFRESH="quiet",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(ROOT / ".cache" / "torch_extensions"))
# Tools beside this interpreter are found, activated environment or not.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs Ray comes first: it takes longest."""
    items.sort(key=lambda item: not _needs_ray(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`make test` runs two processes: one takes all files that need Ray, so that there is one instance of it.

    The other takes the rest, a file at a time, as fixtures are shared within a file. (xdist's own groups are written
    into node ids, which pytest 9.2 does not let it do.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class RayTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", maxsplit=1)[0]
            return "ray" if _needs_ray(ROOT / file) else file

    return RayTogether(config, log)


@functools.cache
def _needs_ray(file: Path) -> bool:
    return "ray_session" in file.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One private Ray for the suite: 4 logical CPUs, 4 ``trial_driver`` slots, nothing open to others."""
    from drpose_ray.private_ray.on_ray import (
        private_ray,  # tests that do not ask for Ray should not pay for importing it
    )

    workers = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "TORCH_EXTENSIONS_DIR", "PATH")}
    with private_ray(
        num_cpus=4,
        resources={"trial_driver": 4},
        include_dashboard=True,  # Ray Train's cleaner asks it, and warns every second without
        log_to_driver=True,
        logging_level="warning",
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), **workers}},
    ):
        yield


@pytest.fixture(scope="session")
def motionx_rows() -> np.ndarray:
    """(40, 322) float32: a person of mean shape standing upright, arms down, swinging every body joint a little."""
    frames = np.arange(40, dtype=np.float64)[:, None]
    phase = np.arange(63, dtype=np.float64)[None, :]
    rows = np.zeros((40, 322), np.float32)
    rows[:, 3:66] = 0.15 * np.sin(2 * np.pi * frames / 40 + phase)
    rows[:, 3 + 3 * 15 + 2] -= 1.1  # left shoulder, about z: arm down from the T-pose
    rows[:, 3 + 3 * 16 + 2] += 1.1
    rows[:, 309 + 1] = 1.0  # metres above the floor
    return rows
