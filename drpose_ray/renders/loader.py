"""Scans by their ids, read where they are rendered."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.config import absolute
from drpose_ray.errors import InputError
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.scans.config import ScansConfig
from drpose_ray.scans.fit import read_fit
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.scan import Scan, ScanFiles


class ScanLoader:
    """``load_scan`` by id; picklable, and each process reads the body when it reads its first scan."""

    def __init__(self, config: ScansConfig, scans: Sequence[ScanFiles]) -> None:
        self._checks, self._path = config.checks, absolute(config.body or ensure_body(BODY_CACHE))
        self._scans: Mapping[str, ScanFiles] = {files.scan_id: files for files in scans}

    @property
    def body(self) -> Body:
        return _body(self._path)

    def __call__(self, scan_id: str) -> Scan:
        return load_scan(self._scans[scan_id], self.body, self._checks)

    def fit_row(self, files: ScanFiles) -> NDArray[np.float32]:
        """(322,) of the fit, or zeros if it cannot be read: the scan's record then fails with the reason."""
        try:
            return read_fit(files, self.body, self._checks).row
        except InputError:
            return np.zeros(NUM_COLUMNS, np.float32)


@functools.lru_cache(maxsize=1)
def _body(path: Path) -> Body:
    return Body(path)
