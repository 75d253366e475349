"""The table of vertex colours: a required file with a shape, never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.color_table import read_color_table, write_color_table


def test_bytes_and_fractions_with_and_without_alpha_mean_the_same(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 256, (7, 4), dtype=np.uint8)
    write_color_table(tmp_path / "bytes.npy", table)
    np.save(tmp_path / "fractions.npy", table[:, :3] / 255)
    np.savez(tmp_path / "published.npz", smpl=table)
    for name in ("bytes.npy", "fractions.npy", "published.npz"):
        np.testing.assert_allclose(read_color_table(tmp_path / name, 7), table[:, :3] / 255)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (np.zeros((6, 3), np.uint8), "shape"),
        (np.zeros((7, 2), np.uint8), "shape"),
        (np.zeros(7, np.uint8), "shape"),
        (np.full((7, 3), 3.0), "dtype"),
        (np.full((7, 3), np.nan), "dtype"),
        (np.array({"smpl": np.zeros((7, 3))}, dtype=object), "color_table"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, table: np.ndarray, field: str) -> None:
    np.save(tmp_path / "table.npy", table, allow_pickle=True)
    with pytest.raises(InputError) as caught:
        read_color_table(tmp_path / "table.npy", 7)
    assert caught.value.field == field


def test_an_archive_without_the_entry_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", scene=np.zeros((7, 3)))
    for name in ("other.npz", "missing.npy"):
        with pytest.raises(InputError, match="cannot read the vertex colours"):
            read_color_table(tmp_path / name, 7)
