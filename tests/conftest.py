"""Fixtures of the whole suite. Nothing here needs a network, a GPU or licensed data."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

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
    TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S="2",  # Ray Train would wait 30 s for one that a killed worker was in
    RAY_TRAIN_ENABLE_PREEMPTION_WATCHER="0",
    GIT_PYTHON_REFRESH="quiet",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(ROOT / ".cache" / "torch_extensions"))
# Tools beside this interpreter are found, activated environment or not.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first: the processes of `make test` take file after file and end together.

    Before them come those that need a process which is not connected to Ray.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.get_closest_marker("unconnected") is None, -slow[item.path]))


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One private Ray for each process of pytest: 4 logical CPUs, 4 ``trial_driver`` slots, nothing open to others."""
    from drpose_ray.core.private_ray.on_ray import (
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
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow database for whatever jobs log in the tests: making one takes seconds."""
    from drpose_ray.core.tracking.tracker import sqlite_uri

    return sqlite_uri(tmp_path_factory.mktemp("tracking"))


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
