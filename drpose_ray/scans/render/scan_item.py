"""A scan as what one record is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drpose_ray.poses.sources import turn_row
from drpose_ray.scans.scan import ScanFiles


@dataclass(frozen=True)
class ScanItem:
    """A scan and what its record has a frame for: the input cameras; a ``datasets.builder.maker.Item``."""

    files: ScanFiles
    motion: NDArray[np.float32]
    """(F, 322) the fit's row as each input camera sees it."""
    rank: int
    fps: None = None

    @property
    def sequence_id(self) -> str:
        return self.files.scan_id

    @property
    def source(self) -> str:
        return self.files.source

    @property
    def clip(self) -> str:
        """Who was scanned, or the scan where nobody tells."""
        return self.files.subject or self.files.scan_id

    @property
    def frames(self) -> NDArray[np.int64]:
        """(F,) numbers of the input cameras."""
        return np.arange(len(self.motion))

    @property
    def licence(self) -> str:
        return self.files.licence


def scan_item(files: ScanFiles, fit_row: NDArray[np.float32], rank: int, azimuths_deg: Sequence[float]) -> ScanItem:
    """The item of a scan whose fit has the row (322,), to be seen by input cameras at ``azimuths_deg``."""
    return ScanItem(files, np.stack([turn_row(fit_row, -np.deg2rad(azimuth)) for azimuth in azimuths_deg]), rank)
