"""Meshes that are no people in metres with y up: refused with the remedy."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter
from drpose_ray.scans.config import ScanChecks, ScanSource, TwinConfig
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.twin import write_twins
from tests.scans.spoilt import refusal, rewrite

TURN = {
    "y and z swapped": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "upside down": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "back to front": [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "z up": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
}


def test_good_scans_are_accepted(good: Path, body: Body) -> None:
    for files in list_scans([ScanSource(folder=good)]):
        load_scan(files, body)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vertices_that_are_not_finite(files: ScanFiles, body: Body, value: float) -> None:
    data = bytearray(files.mesh.read_bytes())
    start = 20 + struct.unpack_from("<I", data, 12)[0] + 8
    struct.pack_into("<f", data, start, value)
    files.mesh.write_bytes(data)
    assert refusal(files, body).field == "vertices"


def test_no_or_few_faces_and_faces_without_area(files: ScanFiles, body: Body) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v, f[:300], uv))
    assert refusal(files, body).value == 300

    def flatten(v: np.ndarray, f: np.ndarray, uv: np.ndarray) -> tuple[object, ...]:
        f[: len(f) // 4, 1] = f[: len(f) // 4, 0]
        return v, f, uv

    files.mesh.write_bytes(original)
    rewrite(files, body, flatten)
    assert "25.0 %" in str(refusal(files, body).value)
    scan = load_scan(files, body, ScanChecks(max_degenerate_share=0.5))
    corners = scan.mesh.vertices[scan.mesh.faces]
    assert np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).min() > 0

    files.mesh.write_bytes(original)
    empty = files.mesh.with_suffix(".obj")
    empty.write_text("v 0 0 0\nv 1 0 0\n")
    assert refusal(replace(files, mesh=empty), body).field == "faces"


@pytest.mark.parametrize(
    ("factor", "unit"), [(100, "centimetres"), (1000, "millimetres"), (39.37, "inches"), (3.3, "divide by 3.3")]
)
def test_wrong_units_are_told_with_their_factor(files: ScanFiles, body: Body, factor: float, unit: str) -> None:
    rewrite(files, body, lambda v, f, uv: (v * factor, f, uv))
    error = refusal(files, body)
    assert error.field == "units" and unit in error.remedy
    assert f"{factor:.2g}" in str(error) or str(factor) in str(error)


@pytest.mark.parametrize("name", TURN)
def test_flipped_axes_are_told_with_the_turn_that_undoes_them(files: ScanFiles, body: Body, name: str) -> None:
    turn = np.array(TURN[name], float)
    rewrite(files, body, lambda v, f, uv: (v @ turn.T, f, uv))
    error = refusal(files, body)
    assert error.field == "fit" and "same axes" in error.problem
    told = str(error.value).split("-> (")[1].split(")")[0].split(", ")
    back = np.array([["xyz".index(axis[-1]) == column for column in range(3)] for axis in told], float)
    back *= np.array([-1.0 if axis.startswith("-") else 1.0 for axis in told])[:, None]
    np.testing.assert_array_equal(back @ turn, np.eye(3))
    assert ("upside down" in str(error.value)) == (name == "upside down")


def test_someone_with_arms_down_is_found_back_to_front_too(body: Body, tmp_path: Path) -> None:
    settings = TwinConfig(num=4, texture_size=64, scan_units=False, mixture={"standing": 1})
    write_twins(tmp_path, Painter(body), settings, [])
    for files in list_scans([ScanSource(folder=tmp_path)]):
        load_scan(files, body)
        rewrite(files, body, lambda v, f, uv: (v * [-1, 1, -1], f, uv))
        error = refusal(files, body)
        assert "same axes" in error.problem and "(-x, y, -z)" in str(error.value)


def test_broken_texture_coordinates(files: ScanFiles, body: Body) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v, f, np.where(np.arange(len(uv))[:, None] == 7, np.nan, uv)))
    assert refusal(files, body).field == "uv"
    files.mesh.write_bytes(original)
    rewrite(files, body, lambda v, f, uv: (v, f, uv * 3))
    assert "outside the texture" in refusal(files, body).problem
    files.mesh.write_bytes(original)
    rewrite(files, body, lambda v, f, uv: (v, f, uv - np.where(np.arange(len(uv))[:, None] < 30, 2.0, 0)))
    uvs = load_scan(files, body).mesh.corner_uvs
    assert uvs is not None and uvs.min() == 0, "a few corners outside are moved to the edge"
