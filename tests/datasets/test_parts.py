"""Names of work in progress come from a folder or a bucket that others may write to."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from drpose_ray.datasets.store.store import FolderStore


@pytest.mark.parametrize("process", ["9" * 20, "9" * 150, "\N{SUPERSCRIPT TWO}", "-1", "0x1"])
def test_a_part_of_no_possible_process_hinders_no_sweep(tmp_path: Path, process: str) -> None:
    (tmp_path / f"shard-000000.tar.part.{socket.gethostname()}.{process}").touch()
    gone = tmp_path / f"shard-000001.tar.part.{socket.gethostname()}.{2**22 + 1}"
    gone.touch()
    FolderStore(tmp_path).sweep()
    assert not gone.exists()
