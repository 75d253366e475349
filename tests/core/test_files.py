"""What every reader leans on: bounded reading, text with and without a mark, listings, one list of what is raised."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import (
    decode_text,
    list_files,
    list_folders,
    read_json,
    read_limited,
    read_text,
    reason,
    refusing,
)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "nul", "long", "dangling", "loop"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "nul":
        path = tmp_path / "a\0b"
    elif kind == "long":
        path = tmp_path / ("x" * 300)
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "none")
    with pytest.raises(InputError) as caught:
        read_limited(path, 100)
    assert caught.value.file and caught.value.remedy


def test_a_file_of_the_limit_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_limited(tmp_path / "a", 5) == b"12345"
    with pytest.raises(InputError) as caught:
        read_limited(tmp_path / "a", 4, "reader.max_bytes")
    assert (caught.value.field, caught.value.value) == ("reader.max_bytes", 5)


def test_a_pointer_of_git_lfs_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(InputError, match="git lfs pull"):
        read_limited(tmp_path / "a.npz", 1000)


def test_text_with_and_without_a_mark_is_the_same_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffé{}".encode())
    (tmp_path / "b").write_bytes("é{}".encode())
    assert read_text(tmp_path / "a") == read_text(tmp_path / "b") == "é{}"
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "c.json") == {"a": 1}


@pytest.mark.parametrize("data", [b"\xff\xfea\0", b"\xff", "é".encode("latin-1"), "é".encode("utf-16")])
def test_other_text_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="save it as UTF-8"):
        decode_text(data, Path("a"))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 100_000, "{]"])
def test_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="not valid JSON") as caught:
        read_json(tmp_path / "a.json")
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_a_listing_follows_links_ends_in_loops_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (data / "b").mkdir(parents=True)
    (data / ".git").mkdir()
    (data / "__MACOSX").mkdir()
    elsewhere.mkdir()
    for path in (data / "z.NPY", data / "b" / "a.npy", data / "b" / "._a.npy", data / ".git" / "a.npy",
                 data / "__MACOSX" / "a.npy", elsewhere / "c.npy", data / "b" / "a.txt"):  # fmt: skip
        path.touch()
    (data / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)
    (data / "one.npy").symlink_to(elsewhere / "c.npy")
    (data / "none.npy").symlink_to(tmp_path / "none")
    (data / "self.npy").symlink_to(data / "self.npy")
    found = [str(path.relative_to(data)) for path in list_files(data, (".npy",))]
    assert found == ["b/a.npy", "linked/c.npy", "one.npy", "z.NPY"]
    assert [path.name for path in list_files(data, recursive=False)] == ["one.npy", "z.NPY"]
    assert [path.name for path in list_folders(data, lambda _: True)] == ["b", "linked"]


def test_folders_linked_to_each_other_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen folders, each with links to the others, make a billion paths and hold no file."""
    monkeypatch.setattr("drpose_ray.core.files.reading.MAX_FOLDERS", 1000)
    folders = [tmp_path / f"{number}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    with pytest.raises(InputError, match="more than 1000 folders"):
        list_files(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        list_files(tmp_path / "none", field="poses.motions")
    assert (caught.value.file, caught.value.field) == (tmp_path / "none", "poses.motions")


def test_a_name_that_is_not_there_is_to_be_corrected(tmp_path: Path) -> None:
    for name in ("config/small.yaml", "x" * 300):
        with pytest.raises(InputError, match="correct the name") as caught:
            read_text(tmp_path / name)
        assert "the folder you are in" in caught.value.remedy


def test_refusals_keep_what_a_library_says_and_leave_the_disk_its_errors() -> None:
    with pytest.raises(InputError, match=r"no mesh \(two words\)"), refusing("a", "mesh", "no mesh", "copy it"):
        raise ValueError("two\n  words")
    with pytest.raises(OSError, match="Input/output"), refusing("a", "mesh", "no mesh", "copy it"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(InputError, match="ours"), refusing("a", "mesh", "no mesh", "copy it"):
        raise InputError("ours", remedy="none")
    assert reason(RecursionError()) == "RecursionError" and reason(ValueError("\x1b[31m\udcff")).isprintable()
