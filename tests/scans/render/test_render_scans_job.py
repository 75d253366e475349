"""jobs/render_scans.py from twin scans to a verified dataset, one of the scans broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.datasets.inspect import verify_job as verify_dataset
from drpose_ray.datasets.multiview import read_multiview
from drpose_ray.scans import make_job as make_scans
from drpose_ray.scans.render import job as render_scans
from drpose_ray.scans.sources import list_scans


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_twins_are_rendered_on_ray_and_a_broken_one_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_scans.main(["--run.folder", str(tmp_path), "--twin.num", "4", "--twin.texture_size", "128"]) == 0
    broken = sorted((tmp_path / "scans").glob("*.glb"))[1]
    broken.write_bytes(broken.read_bytes()[:1000])
    arguments = [
        "--run.folder", str(tmp_path), "--renders.image_size", "48", "--renders.blender.samples", "2",
        "--renders.scans_per_shard", "2", "--renders.input_azimuths_deg", "[0,90]",
    ]  # fmt: skip
    assert render_scans.main(arguments) == 0
    summary = json.loads((tmp_path / "render_scans" / "summary.json").read_text())
    assert (summary["scans"], summary["scans_ok"], summary["shards_built_now"]) == (4, 3, 2)
    assert (summary["frames_ok"], summary["frames_failed"]) == (6, 2)
    (reason,) = summary["reasons"]
    assert reason.startswith("ScanRefusedError: ") and broken.name in reason and str(tmp_path) not in reason
    assert reason in capsys.readouterr().out

    people = read_multiview(tmp_path / "renders")
    assert people.images.shape == (6, 2, 6, 3, 48, 48)
    assert (people.images[:, :, 0].amin((1, 2, 3, 4)) < 128).all(), "somebody is in the picture"
    # Another input turns the skeleton about the vertical axis and nothing else.
    np.testing.assert_allclose(people.joints[0, :, 1], people.joints[1, :, 1], atol=1e-5)
    np.testing.assert_allclose(people.joints[0, :, 0], people.joints[1, :, 2], atol=1e-5)

    cameras = [json.loads(line) for line in (tmp_path / "render_scans" / "cameras.jsonl").read_text().splitlines()]
    assert len(cameras) == 3 and len(cameras[0]["frames"]) == 2 and len(cameras[0]["frames"][0]["views"]) == 6
    for sheet in ("contact_sheet.png", "views.png"):
        with Image.open(tmp_path / "render_scans" / sheet) as image:
            assert np.asarray(image).min() < 100

    assert verify_dataset.main(["--run.folder", str(tmp_path), "--verify.dataset", str(tmp_path / "renders")]) == 0
    assert render_scans.main(arguments) == 0
    again = json.loads((tmp_path / "render_scans" / "summary.json").read_text())
    assert again == summary | {"shards_built_now": 0}


def test_a_folder_without_scans_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render_scans.main(["--run.folder", str(tmp_path)]) == 2
    assert "scans" in capsys.readouterr().err


def test_splits_are_rendered_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listing and splitting alone: the splits share no subject, and an empty one is refused."""
    assert make_scans.main(["--run.folder", str(tmp_path), "--twin.num", "6", "--twin.texture_size", "64"]) == 0
    shares = {"scans": {"splits": {"test_share": 0.5, "val_share": 0.0}}, "run": {"folder": str(tmp_path)}}
    parts = {}
    for split in ("train", "test", "all"):
        config = render_scans.RenderScansConfig.model_validate(shares | {"renders": {"split": split}})
        assert config.own_folder.name == ("render_scans" if split == "all" else f"render_scans_{split}")
        parts[split] = {files.scan_id for files in config.chosen(list_scans(config.sources))}
    assert parts["train"] | parts["test"] == parts["all"] and not parts["train"] & parts["test"]
    assert len(parts["all"]) == 6 and parts["train"] and parts["test"]
    assert (
        render_scans.main(["--run.folder", str(tmp_path), "--renders.split", "val", "--scans.splits.val_share", "0"])
        == 2
    )
    assert "renders.split" in capsys.readouterr().err
