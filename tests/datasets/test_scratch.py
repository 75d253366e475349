"""Temporary files in a place that other users of the machine can guess and reach."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.store.scratch import UNUSED_AFTER_S, private_folder, sweep_unused


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"drpose_ray-{os.getuid()}"


def test_only_this_user_may_look_into_it_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder("s3")
    finally:
        os.umask(before)
    assert folder == root / "s3" == private_folder("s3")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (root, folder)] == [0o700, 0o700]


def test_a_folder_that_others_could_only_read_is_closed(root: Path) -> None:
    root.mkdir(mode=0o755)
    private_folder("s3")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def _link(root: Path) -> None:
    (root.parent / "elsewhere").mkdir()
    root.symlink_to(root.parent / "elsewhere")


def _open_to_all(root: Path) -> None:
    root.mkdir()
    root.chmod(0o777)


def _of_another(root: Path) -> None:
    root.mkdir(mode=0o700)
    os.chown(root, 12345, 12345)


def _link_inside(root: Path) -> None:
    root.mkdir(mode=0o700)
    (root / "s3").symlink_to(root.parent)


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (_link, "is no folder, or a link"), (Path.touch, "is no folder"), (_open_to_all, "written by others"),
        (_of_another, "another user"), (_link_inside, "is no folder, or a link"),
    ],
)  # fmt: skip
def test_what_somebody_else_may_have_put_there_is_refused(
    root: Path, prepare: Callable[[Path], None], problem: str
) -> None:
    if prepare is _of_another and os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    prepare(root)
    with pytest.raises(InputError, match=problem):
        private_folder("s3")


def test_files_that_nobody_uses_any_more_go(root: Path) -> None:
    folder = private_folder("s3")
    (folder / "dataset").mkdir()
    old, new = folder / "dataset" / "old", folder / "dataset" / "new"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, time.time() - UNUSED_AFTER_S - 10))
    sweep_unused(folder)
    assert not old.exists() and new.exists()
