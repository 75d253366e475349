"""Whatever bytes of a fit or a mesh are damaged, what comes out is what was read or an InputError that names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.checks import checked_mesh
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.fits.fit import read_fit
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.meshes.raw_mesh import merge_vertices
from drpose_ray.scans.scan import ScanFiles
from tests.scans.mutations import fits, meshes, mutated

MUTATIONS = 40
CHECKS = ScanChecks(min_faces=1, max_degenerate_share=0.5)


def damage(path: Path, seed: int) -> None:
    path.write_bytes(mutated(path.read_bytes(), np.random.default_rng(seed)))


def assert_named(refused: list[InputError]) -> None:
    assert len(refused) > MUTATIONS // 4, "damage that does damage"
    assert all(error.file and error.field and error.remedy for error in refused)


@pytest.mark.parametrize("name", fits())
@pytest.mark.filterwarnings("ignore")
def test_damaged_fits(body: Body, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(fits()[name])
    files = ScanFiles("a", "tests", path, None, path, "CC0-1.0")
    assert read_fit(files, body, CHECKS).scale > 0
    refused: list[InputError] = []
    for seed in range(MUTATIONS):
        path.write_bytes(fits()[name])
        damage(path, seed)
        try:
            fit = read_fit(files, body, CHECKS)
        except InputError as error:
            refused.append(error)
        else:
            assert np.isfinite(fit.row).all() and np.isfinite(fit.scale) and np.isfinite(fit.translation).all()
    assert_named(refused)


@pytest.mark.parametrize("name", meshes())
@pytest.mark.filterwarnings("ignore")
def test_damaged_meshes_materials_and_textures(tmp_path: Path, name: str) -> None:
    """All but the PLY and the GLB are parts of the one OBJ."""
    contents = {k: v for k, v in meshes().items() if Path(k).suffix not in {".jpg", ".webp"} or k == name}
    texture = tmp_path / name if Path(name).suffix in {".jpg", ".webp"} else None
    for other, content in contents.items():
        (tmp_path / other).write_bytes(content)
    mesh = tmp_path / (name if Path(name).suffix in {".ply", ".glb"} else "a.obj")
    files = ScanFiles("a", "tests", mesh, texture, mesh, "CC0-1.0")

    def read() -> None:
        merged = merge_vertices(checked_mesh(read_mesh(mesh, texture, CHECKS), files, CHECKS))
        assert np.isfinite(merged.vertices).all() and merged.faces.max() < len(merged.vertices)

    read()
    refused: list[InputError] = []
    for seed in range(MUTATIONS):
        (tmp_path / name).write_bytes(contents[name])
        damage(tmp_path / name, seed)
        try:
            read()
        except InputError as error:
            refused.append(error)
    assert_named(refused)
