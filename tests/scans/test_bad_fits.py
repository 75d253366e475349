"""Fits that are missing, wrong, not of their scan, or no files of parameters."""

from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks, ScanSource
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.sources import list_scans
from tests.scans.spoilt import refusal, rewrite, spoil_fit


def test_a_shifted_scan_and_the_fit_of_another_are_told_apart(files: ScanFiles, body: Body, good: Path) -> None:
    original = files.mesh.read_bytes()
    rewrite(files, body, lambda v, f, uv: (v + np.array([0, 1.0, 0.5]), f, uv))
    error = refusal(files, body)
    assert "same place" in error.problem
    shift = [float(number) for number in str(error.value).split("by (")[1].split(")")[0].split(",")]
    np.testing.assert_allclose(shift, [0, -1, -0.5], atol=0.03)
    files.mesh.write_bytes(original)
    for other in list_scans([ScanSource(folder=good)])[1:]:
        error = refusal(replace(files, fit=other.fit), body)
        assert error.field == "fit" and error.file in {other.fit, files.mesh}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body_pose", None), ("body_pose", np.zeros((1, 60))), ("body_pose", np.zeros((2, 63))), ("betas", None),
        ("betas", np.zeros(5)), ("betas", np.full(10, np.nan)), ("scale", np.array([0.0])), ("scale", np.array([-1.0])),
        ("scale", np.ones(2)), ("transl", np.array([np.inf, 0, 0])), ("left_hand_pose", np.zeros(60)),
        ("global_orient", np.array(["a", "b", "c"])),
    ],
)  # fmt: skip
def test_parameters_that_are_missing_or_wrong(
    files: ScanFiles, body: Body, field: str, value: np.ndarray | None
) -> None:
    spoil_fit(files, **{field: value})
    assert refusal(files, body).field == field


def test_a_fit_that_is_an_archive_bomb_a_pickle_or_no_archive(files: ScanFiles, body: Body) -> None:
    with zipfile.ZipFile(files.fit, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("betas.npy", bytes(2**26))  # 64 MiB in 64 kB
    assert files.fit.stat().st_size < 2**18
    assert refusal(files, body).field == "scans.checks.max_fit_bytes"
    with zipfile.ZipFile(files.fit, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
        archive.writestr("body_pose.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(InputError):
        load_scan(files, body)
    np.savez(files.fit, body_pose=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="plain arrays"):
        load_scan(files, body)
    files.fit.write_bytes(b"nothing")
    assert refusal(files, body).field == "fit"


def test_json_fits_that_are_not(files: ScanFiles, body: Body) -> None:
    fit = files.fit.with_suffix(".json")
    wrong = replace(files, fit=fit)
    for text in ("", "[1, 2]", "[" * 100_000, '{"body_pose": {"a": 1}, "betas": []}', '{"body_pose": "x"}'):
        fit.write_text(text)
        refusal(wrong, body)
    fit.write_text(json.dumps({"body_pose": [float("nan")] * 63, "betas": [0] * 10}))
    assert refusal(wrong, body).field == "body_pose"
    fit.write_text(" " * 100)
    assert refusal(wrong, body, ScanChecks(max_fit_bytes=50)).field == "scans.checks.max_fit_bytes"
