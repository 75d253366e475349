"""Ctrl-C and ``kill`` (SIGTERM, as ``ray job stop`` sends it): answered at once; the second ends the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 60.0
"""How long the end may take, cleaning up included, before the process ends all the same."""


class Stopped(KeyboardInterrupt):
    """Raised in the main thread by the first signal. As a KeyboardInterrupt, libraries let it pass."""


@dataclass
class Stop:
    """Whether the process was told to stop, and the exit status that says so: 128 and the signal's number."""

    status: int | None = None
    depth: int = 0
    """Blocks within each other."""


_current: list[Stop] = []


@contextmanager
def answering_signals() -> Iterator[Stop]:
    """Within the block the first SIGINT or SIGTERM says how to go on and raises Stopped; the second ends the process.

    What lies on the disk is whole at any time, so that a job that is started again goes on from there. Within another
    such block, and outside the main thread, which gets no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    if _current:
        _current[0].depth += 1
        try:
            yield _current[0]
        finally:
            _current[0].depth -= 1
        return
    stop = Stop(depth=1)
    terminal = os.dup(2)
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def answer(number: int, _: FrameType | None) -> None:
        if stop.status is not None:
            os._exit(stop.status)  # no clean-up: Ray's processes of a private instance end when this one is gone
        stop.status = 128 + number
        again = " (Ctrl-C again ends it at once)" if number == signal.SIGINT else ""
        # Not print: the signal may have come in the middle of one.
        os.write(terminal, f"\nstopping ... run the same command again to go on{again}\n".encode())
        last = threading.Timer(_PATIENCE_S, os._exit, [stop.status])
        last.daemon = True
        last.start()
        raise Stopped

    for number in _SIGNALS:
        signal.signal(number, answer)
    _current.append(stop)
    try:
        yield stop
    finally:
        _current.clear()
        os.close(terminal)
        if stop.status is None:  # else the process ends, and a second signal still ends it at once
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def keeping_answers() -> Iterator[None]:
    """Undo what a library does to the handlers within the block: Ray takes SIGTERM for itself when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
