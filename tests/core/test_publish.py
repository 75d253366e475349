from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_replaced(make: object, tmp_path: Path) -> None:
    """Root may rename a file over ``/dev/null``."""
    path = tmp_path / "out.json"
    make(path)  # type: ignore[operator]
    kind = stat.S_IFMT(path.stat().st_mode)
    with pytest.raises(InputError, match="no file"):
        write_json(path, {"a": 1})
    assert stat.S_IFMT(path.stat().st_mode) == kind and os.listdir(tmp_path) == ["out.json"]  # noqa: PTH208


def test_a_link_is_replaced_and_what_it_leads_to_kept(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "out.json"
    theirs.write_text("precious")
    path.symlink_to(theirs)
    write_json(path, {"a": 1})
    assert theirs.read_text() == "precious" and not path.is_symlink()
