from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter
from drpose_ray.core.errors import InputError
from drpose_ray.scans import broken as broken_scans
from drpose_ray.scans import check_job as check_scans
from drpose_ray.scans.broken import MOST_DEATHS, CheckedScan, scan_checker
from drpose_ray.scans.config import TwinConfig
from drpose_ray.scans.scan import Scan
from drpose_ray.scans.twin import write_twins


def test_a_broken_scan_is_named_and_costs_no_other(
    body: Body, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_twins(tmp_path / "scans", Painter(body), TwinConfig(num=3, texture_size=64), [])
    (tmp_path / "scans" / "p00001_00.glb").write_bytes(b"glTF")
    sources = json.dumps([{"folder": str(tmp_path / "scans")}])
    assert check_scans.main(["--run.folder", str(tmp_path), "--scans.sources", sources]) == 1
    summary = json.loads((tmp_path / "check_scans" / "summary.json").read_text())
    assert summary["scans"] == 3 and sum(summary["by_split"].values()) == 3 and summary["by_source"] == {"twin": 3}
    (broken,) = summary["broken"]
    assert broken["scan_id"] == "twin-p00001_00" and broken["file"] == "p00001_00.glb" and broken["field"] == "mesh"
    assert "remedy" in json.loads((tmp_path / "check_scans" / "broken.json").read_text())["twin-p00001_00"]
    assert "2 of 3 scans can be used" in capsys.readouterr().out
    assert check_scans.main(["--run.folder", str(tmp_path)]) == 2


def spoilt_twins(body: Body, folder: Path) -> None:
    """Six scans, of which one has a damaged fit, one a damaged mesh and one no fit; and one of no name in UTF-8."""
    write_twins(folder, Painter(body), TwinConfig(num=6, texture_size=64), [])
    fit = folder / "p00001_00.npz"
    np.savez_compressed(fit, **np.load(fit))
    data = bytearray(fit.read_bytes())
    for place in range(60, len(data) - 1500, 40):
        data[place] ^= 255
    fit.write_bytes(data)
    (folder / "p00003_00.glb").write_bytes(b"glTF")
    (folder / "p00004_00.npz").unlink()
    (folder / os.fsdecode(b"bad\xff.glb")).write_bytes(b"glTF")


@pytest.mark.slow
def test_workers_report_what_one_reports(
    body: Body, tmp_path: Path, capsys: pytest.CaptureFixture[str], ray_session: None
) -> None:
    spoilt_twins(body, tmp_path / "scans")
    sources = json.dumps([{"folder": str(tmp_path / "scans")}])
    said = []
    for workers in ("1", "2"):
        run = tmp_path / f"run{workers}"
        arguments = ["--run.folder", str(run), "--scans.sources", sources, "--check.workers", workers]
        assert check_scans.main(arguments) == 1
        said.append(
            [[line for line in capsys.readouterr().out.splitlines() if not line.startswith(("scans read", "starting"))]]
            + [(run / "check_scans" / f"{n}.json").read_bytes() for n in ("summary", "broken")]
        )
    assert said[0] == said[1]
    unnamed, *others = json.loads(said[0][2])
    assert unnamed.startswith("twin-bad") and others == ["twin-p00001_00", "twin-p00003_00", "twin-p00004_00"]


def deadly(scan_id: str) -> Scan:
    """Reads nothing; one scan ends whoever reads it, as a mesh that fills the memory does."""
    if scan_id == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    raise InputError("unreadable", field="mesh", remedy="none")


def test_a_scan_that_ends_its_readers_is_broken_after_some_of_them(tmp_path: Path) -> None:
    check = scan_checker(deadly, tmp_path / "reading")
    for _ in range(MOST_DEATHS):
        child = os.fork()
        if not child:
            try:
                check("deadly")
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    answer = CheckedScan.model_validate_json(check("deadly"))
    assert answer.broken is not None and answer.broken.problem == "5 workers ended while they read it"
    assert all("unreadable" in check("other") for _ in range(2 * MOST_DEATHS)), "a reading that ends leaves no mark"
    assert [path.name for path in (tmp_path / "reading").iterdir()] == ["deadly"]


def less_patient_checker(folder: Path) -> Callable[[str], str]:
    """In an actor, which is a process of its own."""
    broken_scans.MOST_DEATHS = 2  # type: ignore[misc]
    return scan_checker(deadly, folder)


@pytest.mark.slow
def test_a_scan_that_ends_its_actors_does_not_go_on_for_ever(tmp_path: Path, ray_session: None) -> None:
    from drpose_ray.core.on_ray import ActorPool, map_in_pools

    make = functools.partial(less_patient_checker, tmp_path / "reading")
    answers = list(map_in_pools([ActorPool(make, ["a", "deadly", "b"], 2)]))
    told = {answer.scan_id: answer.broken for answer in map(CheckedScan.model_validate_json, answers)}
    assert {scan_id: broken.problem for scan_id, broken in told.items() if broken is not None} == {
        "a": "unreadable", "b": "unreadable", "deadly": "2 workers ended while they read it",
    }  # fmt: skip


def test_answers_in_any_order_are_told_in_the_scans_order() -> None:
    ids = ["a", "b", "c", "d"]
    for order in itertools.permutations(ids):
        answers = (CheckedScan(scan_id=scan_id) for scan_id in order)
        assert [answer.scan_id for answer in check_scans._in_order(answers, ids)] == ids


def test_one_worker_checks_without_ray_and_a_failing_disk_costs_one_scan(
    body: Body, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(good, tmp_path / "scans")
    monkeypatch.setitem(sys.modules, "ray.data", None)  # importing it fails
    original = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "p00001_00.glb":
            raise OSError(5, "Input/output error", str(path))
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    sources = json.dumps([{"folder": str(tmp_path / "scans")}])
    assert check_scans.main(["--run.folder", str(tmp_path), "--scans.sources", sources]) == 1
    (broken,) = json.loads((tmp_path / "check_scans" / "summary.json").read_text())["broken"]
    assert broken["scan_id"] == "twin-p00001_00" and "Input/output error" in broken["problem"]
    assert broken["file"] == "p00001_00.glb"
