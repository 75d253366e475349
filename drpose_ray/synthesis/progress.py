"""What a build says of itself while it goes on: counts, rate and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from drpose_ray.shards.rows import ShardRow


class ProgressLine:
    """Turns finished shards into lines such as
    ``shard-000012.tar: 150 ok, 10 failed, 0 filtered; 82 sequences left, 1.4/s, 1 min 0 s``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begin, self._sequences = clock, clock(), 0
        self.shards = 0

    def line(self, row: ShardRow, sequences_left: int) -> str:
        """The line of one more finished shard. The rate is that since the beginning, workers' start-up included."""
        self.shards += 1
        self._sequences += row.sequences
        rate = self._sequences / max(self._clock() - self._begin, 1e-9)
        counts = f"{row.frames_ok} ok, {row.frames_failed} failed, {row.frames_filtered} filtered"
        left = f"{sequences_left} sequences left, {rate:.3g}/s, {in_words(sequences_left / rate)}"
        return f"{row.name}: {counts}; {left}"


def in_words(seconds: float) -> str:
    """E.g. ``3 h 5 min``, ``5 min 20 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
