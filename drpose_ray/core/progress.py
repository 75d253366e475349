"""What a long job says while it works: counts, rate and the time that is left, and never a long silence.

On a terminal one line is rewritten in place. In a log a line comes when something is done, at most every ten seconds,
and after fifteen seconds in which nothing was said.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Final, Self

BETWEEN_LINES_S: Final = 10.0
LONGEST_SILENCE_S: Final = 15.0
_BETWEEN_REWRITES_S: Final = 0.2


class Progress:
    """A piece of work, within whose block it is reported.

    ``with Progress("rendering scans", len(scans), there=12) as progress:`` and ``step()`` after each. Without
    a total it is a phase such as "starting Ray". Blocks may lie in each other; the innermost speaks.
    """

    _open: ClassVar[list[Progress]] = []
    _last_said: ClassVar[float] = 0.0
    _line_width: ClassVar[int] = 0
    _lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(
        self,
        doing: str,
        total: int | None = None,
        there: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``there``: how many of the total were done before; they do not count for the rate."""
        self._doing, self._total, self._there, self._clock = doing, total, there, clock
        self._done, self._note, self._begin = there, "", clock()
        self._said_done: int | None = None
        self._first: tuple[int, float] | None = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._begin = self._clock()
        with self._lock:
            self._open.append(self)
        if self._there:
            self.say(f"{self._doing}: {self._there} of {self._total} were there")
        elif self._total != 0:
            self._say(f"{self._doing} ...")
        threading.Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        with self._lock:
            if self._total is not None and error is None and self._said_done not in {None, self._done}:
                self._say()
            self._open.remove(self)
            self._end_line()

    def step(self, number: int = 1, note: str = "", left: int | None = None) -> None:
        """``number`` more are done.

        Args:
            left: how many are left, where either the total or how many were there was not known before.
        """
        with self._lock:
            if left is None:
                self._done += number
            elif self._total is None:
                self._done += number
                self._total = self._done + left
            else:
                if self._said_done is None:
                    self._there = self._total - left - number
                self._done = self._total - left
            self._note = note
            if self._first is None:
                self._first = self._done, self._clock()
            since = self._clock() - Progress._last_said
            if self._said_done is None or since >= (_BETWEEN_REWRITES_S if _on_terminal() else BETWEEN_LINES_S):
                self._say()

    def say(self, text: str) -> None:
        """A whole line of its own, which stays."""
        with self._lock:
            self._end_line()
            print(text, flush=True)
            Progress._last_said = self._clock()

    def line(self) -> str:
        """E.g. ``train: 12 of 80, 1.4/s, 48 s left; shard-000012.tar: 150 ok``."""
        seconds = self._clock() - self._begin
        if self._total is None and self._done == self._there:
            return f"{self._doing}: {in_words(seconds)} so far"
        of_total = "" if self._total is None else f" of {self._total}"
        parts = [f"{self._doing}: {self._done}{of_total}"]
        if rate := self._rate():
            parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each")
            if self._total is not None and self._total > self._done:
                parts.append(f"{in_words((self._total - self._done) / rate)} left")
        else:
            parts.append(f"{in_words(seconds)} so far")
        return ", ".join(parts) + (f"; {self._note}" if self._note else "")

    def _rate(self) -> float | None:
        """Per second, counted from the first that was done: before it, workers start and models are loaded."""
        if self._first is None:
            return None
        done, since = self._first
        if self._done == done:
            done, since = self._there, self._begin
        return (self._done - done) / max(self._clock() - since, 1e-6) or None

    def _say(self, text: str | None = None) -> None:
        with self._lock:
            if text is None:
                text, self._said_done = self.line(), self._done
            if _on_terminal():
                text = text[: shutil.get_terminal_size().columns - 1]
                print("\r" + text.ljust(Progress._line_width), end="", flush=True)
                Progress._line_width = len(text)
            else:
                print(text, flush=True)
            Progress._last_said = self._clock()

    @classmethod
    def _end_line(cls) -> None:
        if cls._line_width:
            print(flush=True)
            cls._line_width = 0

    def _break_silence(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                silent = self._clock() - Progress._last_said
                if self._open[-1:] == [self] and silent >= (1.0 if _on_terminal() else LONGEST_SILENCE_S):
                    self._say()


def in_words(seconds: float) -> str:
    """E.g. ``3 h 5 min``, ``5 min 20 s``, ``40 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _on_terminal() -> bool:
    return sys.stdout.isatty()
