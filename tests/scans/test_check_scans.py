from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.smplx_body import Body
from drpose_ray.scans.config import TwinConfig
from drpose_ray.scans.twin import write_twins
from jobs import check_scans


def test_a_broken_scan_is_named_and_costs_no_other(
    body: Body, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_twins(tmp_path / "scans", body, TwinConfig(num=3, texture_size=64), [], BODY_CACHE)
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
