"""Folders as they really are: hidden files of other systems, links, marks at the start of texts, pipes and devices."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks, ScanSource
from drpose_ray.scans.fits.fit import read_fit
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.scan import Layout, ScanFiles
from drpose_ray.scans.sources import detect_layout, list_scans
from drpose_ray.scans.splits import read_split
from tests.scans.mutations import fits

DATASETS: dict[Layout, list[str]] = {
    "thuman": ["model/0461/0461.obj", "model/0461/material0.jpeg", "smplx/0461/smplx_param.pkl"],
    "customhumans": ["mesh/0383_00070_02_00101/mesh-f00101.obj", "smplx/0383_00070_02_00101/mesh-f00101.json"],
    "2k2k": ["train/00003/00003.ply", "smplx/00003.json"],
    "twin": ["p00000_00.glb", "p00000_00.npz"],
}
SHADOWS = ["._0461.obj", ".DS_Store", "Thumbs.db", "desktop.ini", "._mesh-f00101.obj", "._00003.ply", "._p00000_00.glb"]


def make(root: Path, names: list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("layout", DATASETS)
def test_hidden_files_and_folders_are_no_scans(tmp_path: Path, layout: Layout) -> None:
    root = make(tmp_path / "plain", DATASETS[layout])
    (expected,) = list_scans([ScanSource(folder=root)])
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        make(folder, SHADOWS)
    for hidden in (".Trash", "__MACOSX"):
        make(root / hidden, [*DATASETS[layout], *DATASETS["2k2k"]])
        make(root / hidden / "deeper", DATASETS[layout])
    assert detect_layout(root) == layout
    assert list_scans([ScanSource(folder=root)]) == [expected]


@pytest.mark.parametrize("layout", DATASETS)
def test_linked_folders_and_files_are_followed(tmp_path: Path, layout: Layout) -> None:
    store = make(tmp_path / "store", DATASETS[layout])
    root = tmp_path / "dataset"
    root.mkdir()
    for path in store.iterdir():
        (root / path.name).symlink_to(path)
    (root / "nowhere").symlink_to(tmp_path / "gone")
    (root / "round").symlink_to(root)
    scans = list_scans([ScanSource(folder=root)])
    assert {files.scan_id for files in scans} == {s.scan_id for s in list_scans([ScanSource(folder=store)])}
    assert all(files.fit.exists() and files.mesh.is_relative_to(root) for files in scans)


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path, DATASETS["thuman"])
    real = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "0461":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match="Permission denied") as caught:
        list_scans([ScanSource(folder=root)])
    assert caught.value.file is not None and Path(caught.value.file).name == "0461"


def test_lists_and_fits_with_a_mark_at_their_beginning(body: Body, tmp_path: Path) -> None:
    listed, fit = tmp_path / "list.txt", tmp_path / "fit.json"
    listed.write_text("0461\n0462\n", encoding="utf-8-sig")
    assert read_split(listed) == {"0461", "0462"}
    fit.write_bytes(b"\xef\xbb\xbf" + fits()["fit.json"])
    files = ScanFiles("a", "tests", fit, None, fit, "CC0-1.0")
    assert read_fit(files, body, ScanChecks()).scale == 1


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".glb", ".npz", ".json", ".pkl", ".mtl", ".png", ".txt", "twin"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_pipes_devices_and_folders_in_place_of_files_end_at_once(
    files: ScanFiles, body: Body, tmp_path: Path, suffix: str, kind: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    path = folder / ("twin.json" if suffix == "twin" else f"a{suffix}")
    {"pipe": os.mkfifo, "device": lambda p: p.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](path)
    with pytest.raises(InputError):
        _read(path, files, body)


def _read(path: Path, files: ScanFiles, body: Body) -> None:
    """As whoever meets a file of that name."""
    folder, suffix = path.parent, path.suffix
    if suffix in {".obj", ".ply", ".glb"}:
        read_mesh(path, None, ScanChecks())
    elif path.name != "twin.json" and suffix in {".npz", ".json", ".pkl"}:
        load_scan(replace(files, fit=path), body)
    elif suffix == ".txt":
        read_split(path)
    elif path.name == "twin.json":
        shutil.copy(files.mesh, folder / "a.glb")
        list_scans([ScanSource(folder=folder)])
    else:
        image = "a.png" if suffix == ".png" else "b.png"
        text = f"mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n#{image}\n"
        (folder / "a.obj").write_text(text)
        if suffix == ".png":
            (folder / "a.mtl").write_text("map_Kd a.png\n")
        read_mesh(folder / "a.obj", None, ScanChecks())


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"body_pose":['])
def test_json_of_any_depth_is_refused(files: ScanFiles, body: Body, opening: bytes) -> None:
    fit = files.fit.with_suffix(".json")
    for content in (opening * 100_000, b'{"betas": ' + b"9" * 6000 + b"}"):
        fit.write_bytes(content)
        with pytest.raises(InputError):
            load_scan(replace(files, fit=fit), body)
