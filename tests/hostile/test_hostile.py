"""Readers x kinds of damage: each input gives what was read or one clear line, within its budget; none runs code, and
none leaves anything behind.
"""

from __future__ import annotations

import resource
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from tests.hostile.damage import DAMAGES
from tests.hostile.readers import READERS, nothing_new

INPUTS = [(reader, damage) for reader in READERS for damage in DAMAGES]
MEMORY_BYTES = 700 * 2**20
"""More than any reader may take beside what it held before."""
ALWAYS_REFUSED = {
    "empty", "zeros", "noise", "a page of a web site", "a pointer of Git LFS", "a million brackets", "a pickle",
    "a checkpoint with a pickle", "a device", "a pipe", "a folder", "a link to nothing", "a link to itself",
}  # fmt: skip
SOUND_ALL_THE_SAME = {
    ("preset", "empty"),  # overrides nothing
    *(("mesh a.mtl", damage) for damage in ALWAYS_REFUSED),  # the only image beside an OBJ is its texture
    ("split list", "a page of a web site"),  # odd names, which no scan has: refused where they are looked up
    *(("shard, passed over", damage) for damage in ALWAYS_REFUSED),
}  # fmt: skip


def test_there_are_a_thousand_inputs() -> None:
    assert len(INPUTS) >= 1000


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("reader", READERS)
def test_the_sound_file_is_read(tmp_path: Path, reader: str) -> None:
    READERS[reader].read(READERS[reader].write(tmp_path))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("reader", "damage"), INPUTS)
def test_damage_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, damage: str) -> None:
    case = READERS[reader]
    folder, marker = tmp_path / "input", tmp_path / "was run"
    scratch = tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    file = case.write(folder)
    DAMAGES[damage](file, marker)
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused: InputError | None = None
    with nothing_new(folder):
        try:
            case.read(file)
        except InputError as error:
            refused = error
    assert not marker.exists(), "what the file holds was run"
    assert not list(scratch.iterdir())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before) * 1024
    assert grown < MEMORY_BYTES
    if refused is None:
        assert damage not in ALWAYS_REFUSED or (reader, damage) in SOUND_ALL_THE_SAME
        return
    line = str(refused)
    assert "\n" not in line and line.isprintable() and len(line) < 1500
    assert refused.remedy and (refused.file is not None or refused.field)
