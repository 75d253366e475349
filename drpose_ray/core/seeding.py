"""Named random streams: the same names give the same numbers on any rank, in any order, for any batch size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream ``names`` of the run ``seed``."""
    digest = hashlib.sha256(repr((seed, *names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy generator of the stream ``names``, e.g. ``stream(run_seed, sample_id, "outfit")``."""
    return np.random.default_rng(derive_seed(seed, *names))


def torch_stream(seed: int, *names: str | int) -> torch.Generator:
    """CPU torch generator of the stream ``names``. Draw on the CPU and move: devices then agree."""
    import torch  # costs seconds, which who only derives seeds should not pay

    return torch.Generator().manual_seed(derive_seed(seed, *names))
