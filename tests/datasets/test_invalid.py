"""Shards whose bytes are the manifest's and whose content is no record: one line from each reader, or skipped."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256, write_json
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.dataset_card import write_dataset_card
from drpose_ray.datasets.inspect.reshard import reshard
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.shards.png import decode_png
from drpose_ray.datasets.shards.read import ShardReader
from tests.datasets.builder.stripes import Stripes, make_windows, silent
from tests.datasets.damage import agree, copy_dataset, rewrite_member

FRAMES, BAD, KEY = 3, "shard-000001.tar", "walk_005"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 windows in 3 shards of 4, 4 and 2; ``KEY`` lies in the second."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    generator = Stripes()
    build(plan_build(make_windows(10, FRAMES), generator, folder, 4), generator, silent)
    return folder


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def motion(value: float = 0, columns: int = 322, frames: int = FRAMES, dtype: str = "<f4") -> bytes:
    return npy(np.full((frames, columns), value, dtype))


def joints(value: float = 0, frames: int = FRAMES, dtype: str = "<f4") -> bytes:
    return npy(np.full((frames, 23, 3), value, dtype))


def huge_array() -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)})
    return stream.getvalue() + bytes(100)


def png(mode: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (16, 16)).save(stream, "PNG", **options)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


MEMBERS: dict[str, tuple[str, bytes | None]] = {
    "joints short": ("joints.npy", joints(frames=2)),
    "joints long": ("joints.npy", joints(frames=4)),
    "joints NaN": ("joints.npy", joints(float("nan"))),
    "joints far": ("joints.npy", joints(1e30)),
    "joints double": ("joints.npy", joints(dtype="<f8")),
    "joints of objects": ("joints.npy", npy(np.array([{}], object))),
    "joints missing": ("joints.npy", None),
    "joints empty": ("joints.npy", b""),
    "joints cut": ("joints.npy", joints()[:200]),
    "motion NaN": ("motion.npy", motion(float("nan"))),
    "motion infinite": ("motion.npy", motion(float("-inf"))),
    "motion of 321 columns": ("motion.npy", motion(columns=321)),
    "motion big-endian": ("motion.npy", motion(dtype=">f4")),
    "motion announced larger": ("motion.npy", huge_array()),
    "an archive for an array": ("motion.npy", b"PK\x05\x06" + bytes(18)),
    "grey picture": ("01.input.png", png("L")),
    "picture with a palette": ("01.input.png", png("P")),
    "picture of two colours": ("01.input.png", png("1")),
    "picture of a million a side": ("01.input.png", bomb(10**6, 10**6)),
    "picture of no width": ("01.input.png", bomb(0, 16)),
    "no picture": ("01.input.png", b"%!PS-Adobe-3.0\n"),
    "header of another": ("json", b"{}"),
    "header nested": ("json", b"[" * 100_000),
    "header not text": ("json", b"\xff\xfe{}"),
}

HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "width 0": lambda h: h["camera"]["width_m"].__setitem__(1, 0.0),
    "width negative": lambda h: h["camera"]["width_m"].__setitem__(1, -2.0),
    "width 1e30": lambda h: h["camera"]["width_m"].__setitem__(1, 1e30),
    "centres short": lambda h: h["camera"]["center_world"].pop(),
    "centre far": lambda h: h["camera"]["center_world"].__setitem__(0, [1e30, 0, 0]),
    "no camera": lambda h: h.update(camera=None),
    "status short": lambda h: h["status"].pop(),
    "101 frames": lambda h: h.update(status=h["status"] * 50),
    "no frames": lambda h: h.update(status=[]),
    "provenance short": lambda h: h["provenance"]["frames"].pop(),
    "rate 0": lambda h: h["provenance"].update(fps=0),
    "rank negative": lambda h: h["provenance"].update(rank=-1),
    "image name with a path": lambda h: h.update(image_names=["../input"]),
    "image twice": lambda h: h.update(image_names=["input", "input"]),
    "image that is not there": lambda h: h.update(image_names=["input", "depth"]),
    "no images": lambda h: h.update(image_names=[]),
    "another key": lambda h: h.update(key="walk_006"),
    "key with a path": lambda h: h.update(key="../x"),
    "hash that is none": lambda h: h.update(image_hash="zzzz"),
    "a frame that was not ok": lambda h: h["status"].__setitem__(0, {"state": "failed", "reason": "x"}),
    "text for a list": lambda h: h.update(status="ok"),
}  # fmt: skip


def link(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo(f"{KEY}.07.input.png")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(member)


def kind(number: bytes) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("walk_0999.json")
        member.type = number
        tar.addfile(member)

    return add


def named(name: str, data: bytes = b"x") -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))

    return add


def pax(**headers: str) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("walk_0999.json")
        member.pax_headers = headers
        tar.addfile(member)

    return add


TARS: dict[str, Callable[[tarfile.TarFile], None]] = {
    "symbolic link": link, "hard link": kind(tarfile.LNKTYPE), "device": kind(tarfile.CHRTYPE),
    "pipe": kind(tarfile.FIFOTYPE), "folder": kind(tarfile.DIRTYPE), "sparse file": kind(tarfile.GNUTYPE_SPARSE),
    "name with slashes": named("../../x.json"), "absolute name": named("/etc/x.json"),
    "name twice": named(f"{KEY}.json"), "name of nobody": named("notes.txt"), "name of no record": named("x.json"),
    "name with an escape": named("\x1b[31mred.json"), "name of no UTF-8": named("\udcff.json"),
    "pax of 9 kB": pax(comment="x" * 9000), "pax sparse": pax(**{"GNU.sparse.size": "9"}),
    "pax size": pax(size="99999999999999"),
}  # fmt: skip


def damage_header(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with tarfile.open(folder / BAD) as tar:
            header = json.load(tar.extractfile(f"{KEY}.json"))  # type: ignore[arg-type]
        change(header)
        rewrite_member(folder, 1, f"{KEY}.json", json.dumps(header).encode())

    return damage


def damage_member(member: str, content: bytes | None) -> Callable[[Path], None]:
    return lambda folder: rewrite_member(folder, 1, f"{KEY}.{member}", content)


def damage_tar(add: Callable[[tarfile.TarFile], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with tarfile.open(folder / BAD, "a", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            add(tar)
        agree(folder, 1)

    return damage


def claim_large_member(folder: Path) -> None:
    data = bytearray((folder / BAD).read_bytes())
    data[124:136] = b"\x80" + (2**62).to_bytes(11)  # base 256
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    (folder / BAD).write_bytes(data)
    agree(folder, 1)


def random_bytes(folder: Path) -> None:
    (folder / BAD).write_bytes(np.random.default_rng(0).bytes(20_480))
    agree(folder, 1)


def no_bytes(folder: Path) -> None:
    (folder / BAD).write_bytes(b"")
    agree(folder, 1)


DAMAGES: dict[str, Callable[[Path], None]] = {
    **{name: damage_member(*each) for name, each in MEMBERS.items()},
    **{name: damage_header(change) for name, change in HEADERS.items()},
    **{name: damage_tar(add) for name, add in TARS.items()},
    "a member of 4 EB": claim_large_member, "random bytes": random_bytes, "no bytes": no_bytes,
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_every_reader_says_so_in_one_line(dataset: Path, tmp_path: Path, name: str) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    DAMAGES[name](folder)
    (finding,) = inspect(folder, deep=True)
    assert (finding.kind, finding.name) == ("invalid", BAD) and str(finding).isprintable()

    reader = ShardReader(folder, seed=1, corrupted="skip")
    assert len([sample.key for sample in reader if "walk_004" <= sample.key <= "walk_007"]) == 0
    assert list(reader.skipped) == [BAD]

    with pytest.raises(InputError, match=BAD) as refused:
        list(ShardReader(folder, seed=1))
    assert str(refused.value).isprintable()
    with pytest.raises(InputError, match=BAD):
        write_dataset_card(folder, tmp_path / "card", "card")
    assert not (tmp_path / "card").exists(), "nothing is written"
    if "picture" not in name:  # which are copied as they are
        with pytest.raises(InputError, match=BAD):
            reshard([folder], tmp_path / "other", 3)
        assert not (tmp_path / "other").exists()


def test_without_deep_everything_but_the_pictures_is_looked_at(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    DAMAGES["no picture"](folder)
    assert list(inspect(folder)) == []
    DAMAGES["joints short"](folder)
    assert [each.kind for each in inspect(folder)] == ["invalid"]
    assert list(inspect(dataset, deep=True)) == []


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "shard outside": lambda m: m["shards"][1].update(name="../shard-000001.tar"),
    "hash that is a path": lambda m: m["shards"][1].update(sha256="../../x"),
    "shard missing": lambda m: m["shards"].pop(1),
    "no shards": lambda m: m.update(shards=[]),
    "negative frames": lambda m: m["shards"][1].update(frames_ok=-1),
    "1e300 frames": lambda m: m.update(frames_ok=10**300),
    "no frames": lambda m: m.update(frames_ok=0),
    "more frames": lambda m: m.update(frames_ok=31),
    "no sequences in a shard": lambda m: m["identity"].update(sequences_per_shard=0),
    "1e11 shards": lambda m: m["identity"]["segments"][0].update(sequences=10**11),
    "no segments": lambda m: m["identity"].update(segments=[]),
    "shares of 2": lambda m: m["identity"].update(generators=m["identity"]["generators"] * 2),
    "no generators": lambda m: m["identity"].update(generators=[]),
    "reasons of text": lambda m: m["shards"][0].update(reasons={"\x1b[2J": "x"}),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_cannot_be_is_refused_by_every_reader(dataset: Path, tmp_path: Path, name: str) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    manifest = json.loads((folder / "manifest.json").read_text())
    MANIFESTS[name](manifest)
    write_json(folder / "manifest.json", manifest)
    (folder / "_COMPLETE").write_text(file_sha256(folder / "manifest.json"))
    for read in (
        lambda: ShardReader(folder),
        lambda: list(inspect(folder)),
        lambda: reshard([folder], tmp_path / "other", 3),
        lambda: write_dataset_card(folder, tmp_path / "card", "card"),
    ):
        with pytest.raises(InputError, match=r"not a Manifest.*manifest\.json") as refused:
            read()
        assert str(refused.value).isprintable()
    assert not (tmp_path / "other").exists() and not (tmp_path / "card").exists()


def test_pipes_in_place_of_files_are_refused_at_once(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    (folder / BAD).unlink()
    os.mkfifo(folder / BAD)
    assert [each.kind for each in inspect(folder)] == ["torn"]
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(InputError, match="not a finished dataset"):
        ShardReader(folder)


def test_hidden_files_are_nobodys(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    (folder / "._shard-000000.tar").write_bytes(b"Mac OS X")
    (folder / ".DS_Store").write_bytes(b"Bud1")
    assert list(inspect(folder)) == []
    generator = Stripes()
    build(plan_build(make_windows(10, FRAMES), generator, folder, 4), generator, silent)
    assert generator.generated == []


def test_a_picture_is_refused_by_its_size_before_it_is_unpacked() -> None:
    with pytest.raises(ValueError, match="8192"):
        decode_png(bomb(8193, 16))


def test_records_read_back_from_a_tar_that_another_tool_wrote(dataset: Path, tmp_path: Path) -> None:
    folder = copy_dataset(dataset, tmp_path / "copy")
    with tarfile.open(folder / BAD) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    with tarfile.open(folder / BAD, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1234.5  # a time that only pax can say
            tar.addfile(member, io.BytesIO(data))
    agree(folder, 1)
    assert list(inspect(folder, deep=True)) == []
    assert len(list(ShardReader(folder))) == 30
