"""Scans by their ids, read where they are rendered."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import absolute
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.scans.config import ScansConfig
from drpose_ray.scans.fits.fit import read_fit
from drpose_ray.scans.load import fit_body, load_scan
from drpose_ray.scans.scan import Scan, ScanFiles


class ScanLoader:
    """``load_scan`` by id; picklable, and each process reads a body when it reads the first scan with a fit of it."""

    def __init__(self, config: ScansConfig, scans: Sequence[ScanFiles]) -> None:
        """Raises InputError if a body that the scans name cannot be read."""
        self._checks, self._default = config.checks, absolute(config.body or ensure_body(BODY_CACHE))
        self._scans: Mapping[str, ScanFiles] = {files.scan_id: files for files in scans}
        self._bodies = {files.scan_id: self._body_of(files).sha256 for files in scans}

    @property
    def body_sha256(self) -> str:
        """Of the model of all fits, or, where sources differ in it, of the list of them."""
        hashes = sorted(set(self._bodies.values()))
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def settings(self) -> Mapping[str, Any]:
        """What decides which scans are refused and where joints lie."""
        return {"bodies": self._bodies_by_source(), "checks": self._checks.model_dump(mode="json")}

    def __call__(self, scan_id: str) -> Scan:
        return load_scan(self._scans[scan_id], _body(self._default), self._checks)

    def fit_row(self, files: ScanFiles) -> NDArray[np.float32]:
        """(322,) of the fit, or zeros if it cannot be read: the scan's record then fails with the reason.

        Raises OSError if the disk failed: zeros would be taken for the fit when the dataset is continued.
        """
        try:
            return read_fit(files, self._body_of(files), self._checks).row
        except InputError:
            return np.zeros(NUM_COLUMNS, np.float32)

    def _bodies_by_source(self) -> Mapping[str, Any]:
        """Source -> hash of its body; of several, from which name on each: a download that grows changes neither."""
        runs: dict[str, list[tuple[str, str]]] = {}
        for files in sorted(self._scans.values(), key=lambda files: files.name):
            run, sha256 = runs.setdefault(files.source, []), self._bodies[files.scan_id]
            if not run or run[-1][1] != sha256:
                run.append((files.name if run else "", sha256))
        return {source: run[0][1] if len(run) == 1 else [list(part) for part in run] for source, run in runs.items()}

    def _body_of(self, files: ScanFiles) -> Body:
        return fit_body(files, _body(self._default))


@functools.lru_cache(maxsize=1)
def _body(path: Path) -> Body:
    return Body(path)
