"""Thin entries: parse, build, run. Each module has ``CONFIG``, ``SUMMARY`` and ``main(argv)``."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence

from drpose_ray.errors import is_no_space, no_space, refusal_in
from drpose_ray.secrets import print_redacted

# A job talks to the cluster and the tracking server it was given, and to nobody else.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray Train's own 60 seconds are too short for importing torch on a busy machine.
os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
# How often Ray Train looks at its workers: a checkpoint reported since the last look dies with its worker.
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")

Main = Callable[[Sequence[str] | None], int | None]


def run_job(main: Main) -> Callable[..., int]:
    """Turn ``main(argv)`` into an entry that returns the process's exit status.

    Input that was refused, here or in a process of Ray, and a disk that is full become one line on stderr and status 2;
    any other error keeps its traceback, without the credentials of URIs.
    """
    sys.excepthook = print_redacted

    @functools.wraps(main)
    def entry(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except Exception as error:
            refused = refusal_in(error) or (no_space(None, error) if is_no_space(error) else None)
            if refused is None:
                raise
            print(f"error: {refused}", file=sys.stderr)
            return 2

    return entry
