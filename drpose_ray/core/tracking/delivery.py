"""Handing things to a server that may be slow or gone, without ever waiting for it."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Any, Protocol

from drpose_ray.core.files.reading import reason
from drpose_ray.core.secrets import redact

MOST_WAITING = 20_000  # then the oldest are given up: a server that is gone must not fill the memory
_RETRY_SECONDS = 20.0


class Receiver(Protocol):
    """What takes the entries. Its methods are called from one thread, may take their time and may raise anything."""

    name: str

    def open(self) -> None:
        """Begin; called until it succeeds."""

    def send(self, entry: Any) -> None:
        """Take one entry."""

    def is_refusal(self, error: Exception) -> bool:
        """Whether ``send`` would raise ``error`` for this entry again, so that it is left out."""


class Delivery:
    """A bounded queue, emptied in order by a thread of its own. Trouble is said once, on one line of stderr."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._waiting: deque[Any] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._opened_or_in_trouble = threading.Event()
        self._in_trouble, self._lost = False, 0
        self._thread = threading.Thread(target=self._deliver, name="delivery", daemon=True)
        self._thread.start()

    def put(self, entry: Any) -> None:
        """Append an entry; returns at once."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(entry)
            self._changed.notify()

    def wait_until_open(self, seconds: float) -> None:
        """Return when the receiver is open, is known to be in trouble, or the time is over."""
        self._opened_or_in_trouble.wait(seconds)

    def close(self, seconds: float, seconds_in_trouble: float = 5.0) -> None:
        """Deliver what is left, for at most that long, and say how much was not taken. Raises nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds_in_trouble if self._in_trouble else seconds)
        lost = self._lost + len(self._waiting)
        if lost:
            self._say(f"{lost} entries were not delivered to {self._receiver.name}")

    def _deliver(self) -> None:
        opened = False
        while True:
            with self._changed:
                while opened and not self._waiting and not self._closing:
                    self._changed.wait()
                if opened and not self._waiting:
                    return
                entry = self._waiting[0] if self._waiting else None
            try:
                if not opened:
                    self._receiver.open()
                    opened = True
                    self._opened_or_in_trouble.set()
                    continue
                self._receiver.send(entry)
            except Exception as error:  # noqa: BLE001 - whatever a client library raises, the run goes on
                if not opened or not self._receiver.is_refusal(error):
                    self._meet_trouble(error)
                    if self._closing:
                        return
                    continue
                self._say(f"{self._receiver.name} refuses an entry ({redact(reason(error))}); the run goes on")
            self._in_trouble = False
            with self._changed:
                if self._waiting and self._waiting[0] is entry:  # else it was given up meanwhile
                    self._waiting.popleft()

    def _meet_trouble(self, error: Exception) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            self._opened_or_in_trouble.set()
            why = redact(reason(error))
            self._say(
                f"{self._receiver.name} does not answer ({why}); the run goes on and keeps its metrics in its folder"
            )
        with self._changed:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, timeout=_RETRY_SECONDS)

    def _say(self, text: str) -> None:
        print(f"tracking: {text}", file=sys.stderr, flush=True)
