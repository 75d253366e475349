"""Content decides whether a run may be continued; places and times do not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.core.runs.origin import FileHashes, continue_as, refuse_another


def test_a_file_is_its_bytes_wherever_it_lies_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"one")
    record = tmp_path / "hashes.json"
    first = FileHashes(record).of_file(weights, "base")
    moved = shutil.copy(weights, tmp_path / "moved.bin")
    assert FileHashes().of_file(Path(moved), "base") == first
    # Recorded, a file is not read again while its size and time are the same; otherwise it is.
    with monkeypatch.context() as patch:
        patch.setattr("drpose_ray.core.runs.origin.file_sha256", lambda _: pytest.fail("read again"))
        assert FileHashes(record).of_file(weights, "base") == first
    weights.write_bytes(b"two")
    os.utime(weights, ns=(1, 1))
    assert FileHashes(record).of_file(weights, "base") != first
    record.write_text("[torn")
    assert FileHashes(record).of_file(Path(moved), "base") == first
    with pytest.raises(InputError, match="no such file") as refused:
        FileHashes().of_file(tmp_path / "none", "finetune.model.base")
    assert refused.value.field == "finetune.model.base"


def test_another_file_of_the_same_size_and_time_is_another(tmp_path: Path) -> None:
    file, other = tmp_path / "predictor", tmp_path / "other"
    for path, content in ((file, b"one"), (other, b"two")):
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
    first = FileHashes(tmp_path / "hashes.json").of_file(file, "predictor")
    other.replace(file)
    assert FileHashes(tmp_path / "hashes.json").of_file(file, "predictor") != first


def test_a_folder_is_its_visible_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "unet").mkdir(parents=True)
    (tmp_path / "a" / "unet" / "weights").write_bytes(b"1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "unet" / "._weights").write_bytes(b"shadow")
    (tmp_path / "b" / "README.md").write_text("no part")
    hashes = [FileHashes().of_folders(tmp_path / name, ("unet", "vae"), "base") for name in "ab"]
    assert hashes[0] == hashes[1]
    (tmp_path / "b" / "unet" / "weights").write_bytes(b"2")
    assert FileHashes().of_folders(tmp_path / "b", ("unet", "vae"), "base") != hashes[0]


def test_what_was_begun_is_continued_as_the_same_only(tmp_path: Path) -> None:
    file = tmp_path / "origin.json"
    continue_as(file, {"betas": (0.9, 0.99), "base": "ab" * 32}, begun=False, noun="checkpoints")
    continue_as(file, {"betas": (0.9, 0.99), "base": "ab" * 32}, begun=True, noun="checkpoints")
    with pytest.raises(InputError, match=r"another base \('content abababababab'\)") as refused:
        continue_as(file, {"betas": (0.9, 0.99), "base": "cd" * 32}, begun=True, noun="checkpoints")
    assert refused.value.value == "content cdcdcdcdcdcd"
    with pytest.raises(InputError, match="another weight"):  # what is new, or gone, is another too
        continue_as(file, {"betas": (0.9, 0.99), "base": "ab" * 32, "weight": 1}, begun=True, noun="checkpoints")
    with pytest.raises(InputError, match="another base"):
        refuse_another({"betas": 1, "base": 2}, {"betas": 1}, file=file, noun="checkpoints")
    assert json.loads(file.read_text())["origin"]["base"] == "ab" * 32, "a refusal changes nothing"


def test_what_an_earlier_version_left_is_refused_and_not_misread(tmp_path: Path) -> None:
    file = tmp_path / "origin.json"
    with pytest.raises(InputError, match="not recorded what checkpoints depend on") as refused:
        continue_as(file, {}, begun=True, noun="checkpoints")
    assert "new run folder" in str(refused.value)
    file.write_text('{"seed": 1}')
    with pytest.raises(InputError, match="not recorded"):
        continue_as(file, {}, begun=True, noun="checkpoints")
