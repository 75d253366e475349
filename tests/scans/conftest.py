from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter
from drpose_ray.scans.config import ScanSource, TwinConfig
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.twin import write_twins


@pytest.fixture(scope="session")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@pytest.fixture(scope="session")
def good(body: Body, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    write_twins(folder, Painter(body), TwinConfig(num=4, texture_size=64, scan_units=False, mixture={"dance": 1}), [])
    return folder


@pytest.fixture
def files(good: Path, tmp_path: Path) -> ScanFiles:
    """A copy of a good scan."""
    first = list_scans([ScanSource(folder=good)])[0]
    mesh, fit = tmp_path / first.mesh.name, tmp_path / first.fit.name
    mesh.write_bytes(first.mesh.read_bytes())
    fit.write_bytes(first.fit.read_bytes())
    return replace(first, mesh=mesh, fit=fit)
