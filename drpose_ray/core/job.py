"""What every entry has: a job module has ``CONFIG``, ``SUMMARY`` and ``main(argv)``, and ``run_job`` around that.

Exit statuses, of every job:

* 0: done.
* 1: done, but some items failed (the last lines and ``summary.json`` name them); or a fault of the program, which ends
  in a traceback.
* 2: input or settings were refused, in one line that says what to do.
* 130, 143: stopped by Ctrl-C or by SIGTERM (``ray job stop``). The same command goes on from what is done.
* 141: what read the output has ended, as ``head`` does; nothing is said of it.
"""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from drpose_ray.core.errors import is_no_space, no_space, refusal_in
from drpose_ray.core.quiet import QUIET_LIBRARIES, quiet
from drpose_ray.core.secrets import redact_what_python_prints
from drpose_ray.core.stopping import Stopped, answering_signals

# A job talks to the cluster and the tracking server it was given, and to nobody else.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray Train's own 60 seconds are too short for importing torch on a busy machine.
os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
# How often Ray Train looks at its workers: a checkpoint reported since the last look dies with its worker.
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
# Ctrl-C is answered by drpose_ray/core/stopping.py, in every job alike.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
for _name, _value in QUIET_LIBRARIES.items():
    os.environ.setdefault(_name, _value)

Main = Callable[[Sequence[str] | None], int | None]

_FAULT = "This is a fault of the program, not of what it was given: please report it with the lines above."


def run_job(main: Main) -> Callable[..., int]:
    """Turn ``main(argv)`` into an entry that returns the process's exit status (see above).

    Input that was refused, here or in a process of Ray, and a disk that is full become one line on stderr and status 2;
    any other error keeps its traceback, without the credentials of URIs.

    A job may run within another, as the stages of jobs/pipeline.py do: what stops one stops both.
    """
    redact_what_python_prints()

    @functools.wraps(main)
    def entry(argv: Sequence[str] | None = None) -> int:
        with answering_signals() as stop, quiet():
            try:
                status = main(argv) or 0
            except BaseException as error:  # noqa: BLE001 - what is not explained is raised again
                if stop.status is None:
                    status = _explain(error)
            if stop.status is not None:  # whatever a library made of the interruption
                if stop.depth > 1:
                    raise Stopped
                return stop.status
            return status

    return entry


def _explain(error: BaseException) -> int:
    """The place where an error that leaves a job is told to the user; what is none of theirs goes on as it is."""
    if isinstance(error, BrokenPipeError) and _is_unread(sys.stdout):
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for what is printed or flushed until the end
        return 141
    refused = refusal_in(error) or (no_space(None, error) if is_no_space(error) else None)
    if refused is not None:
        print(f"error: {refused}", file=sys.stderr)
        return 2
    if isinstance(error, Exception) and _FAULT not in getattr(error, "__notes__", ()):
        error.add_note(_FAULT)
    raise error


def _is_unread(stream: TextIO) -> bool:
    """Whether ``stream`` is a pipe whose other end is closed. A socket of a library may break too."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # no file behind it
        return False
