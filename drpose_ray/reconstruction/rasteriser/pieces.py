"""Things repeated as often as each needs, a bounded number at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from jaxtyping import Int64
from torch import Tensor

MOST_AT_ONCE: Final = 1 << 17  # 20 MB of fragments, and few enough to stay in a processor's cache


def in_pieces(
    counts: Int64[Tensor, " N"], most: int = MOST_AT_ONCE
) -> Iterator[tuple[Int64[Tensor, " F"], Int64[Tensor, " F"]]]:
    """Thing ``i`` of N, ``counts[i]`` times, in order: which thing, and the how-manieth from 0, in pieces of about
    ``most`` rows. What one thing needs is never cut.
    """
    things = counts.nonzero()[:, 0]
    if not len(things):
        return
    counts = counts[things]
    before = counts.cumsum(0) - counts
    sizes = torch.unique_consecutive(before // most, return_counts=True)[1].tolist()
    for some, count in zip(things.split(sizes), counts.split(sizes), strict=True):
        begins = count.cumsum(0) - count
        thing = some.repeat_interleave(count)
        yield thing, torch.arange(len(thing), device=thing.device) - begins.repeat_interleave(count)
