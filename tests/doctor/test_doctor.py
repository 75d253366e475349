"""The doctor against real small parts: whole, absent, broken and hostile."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.doctor.asked import Asked, _find, asked_of, findings
from drpose_ray.doctor.checks import shards
from drpose_ray.doctor.config import DoctorConfig
from drpose_ray.doctor.finding import Finding, examine
from drpose_ray.doctor.job import main
from drpose_ray.doctor.machine import examine_machine
from drpose_ray.doctor.parts import PARTS
from drpose_ray.reward.config import PredictorConfig
from drpose_ray.reward.predictor import SkeletonPredictor
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import PSHUMAN_TINY
from tests.finetune.tiny_run import write_tiny_dataset
from tests.hostile.damage import Payload
from tests.hostile.readers import ROWS, tiny_body_fields
from tests.synthesis.mimo.tiny import make_model, portrait, write_folder

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ("normal_embeds.pt", "clr_embeds.pt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small one of every part."""
    folder = tmp_path_factory.mktemp("whole")
    write_published(folder / "pshuman", PSHUMAN_TINY)
    (folder / "prompts").mkdir()
    for name in PROMPTS:
        shutil.move(folder / "pshuman" / name, folder / "prompts")
    np.savez(folder / "SMPLX_NEUTRAL.npz", **tiny_body_fields())  # type: ignore[arg-type]
    motions = folder / "motionx" / "motion_data" / "smplx_322" / "humanml"
    motions.mkdir(parents=True)
    for name in "abcd":
        np.save(motions / f"{name}.npy", ROWS)
    write_folder(folder / "mimo", make_model())
    np.save(folder / "colours.npy", np.full((60, 3), 9, np.uint8))
    (folder / "photos").mkdir()
    portrait().save(folder / "photos" / "a.png")
    _write_backbone(folder / "squeezenet.pth")
    write_tiny_dataset(folder / "shards")
    SkeletonPredictor(PredictorConfig(latent_size=8, map_size=16, channels=(8,))).save(folder / "predictor.safetensors")
    _write_scan(folder / "thuman")
    return folder


def _write_backbone(path: Path) -> None:
    from drpose_ray.reward.perceptual import PerceptualDistance

    PerceptualDistance(min_size=32)  # makes torchvision importable
    from torchvision.models import squeezenet1_1

    torch.save(squeezenet1_1(weights=None).state_dict(), path)


def _write_scan(folder: Path) -> None:
    """A mesh of one triangle and a fit, which the doctor looks at without decoding."""
    (folder / "model" / "0461").mkdir(parents=True)
    (folder / "model" / "0461" / "0461.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    Image.new("RGB", (8, 8)).save(folder / "model" / "0461" / "material0.jpeg")
    (folder / "smplx" / "0461").mkdir(parents=True)
    (folder / "smplx" / "0461" / "smplx_param.pkl").write_bytes(pickle.dumps({}))


def _config(folder: Path) -> DoctorConfig:
    body = folder / "SMPLX_NEUTRAL.npz"
    mimo = {
        "weights": folder / "mimo", "photos": folder / "photos", "photo_licence": "mine",
        "color_table": folder / "colours.npy", "body": body,
    }  # fmt: skip
    return DoctorConfig.model_validate({
        "poses": {"motions": [folder / "motionx"]},
        "synthesis": {"mimo": mimo},
        "scans": {"sources": [{"folder": folder / "thuman"}]},
        "distance": {"backbone_weights": folder / "squeezenet.pth"},
        "reward": {"multiview_shards": [folder / "shards"], "i2mv": folder / "pshuman"},
        "finetune": {
            "model": {"base": folder / "pshuman", "text_embeddings": folder / "prompts"},
            "reward": {"predictor": folder / "predictor.safetensors"},
        },
    })  # fmt: skip


def _found(config: DoctorConfig) -> dict[str, Finding]:
    found = list(findings(config))
    assert all("\n" not in each.line for each in found)
    return {each.name: each for each in found}


def test_small_parts_of_every_kind_are_all_right(whole: Path) -> None:
    found = _found(_config(whole))
    assert {each.state for each in found.values()} == {"ok", "unused"}, [each.line for each in found.values()]
    assert [name for name, each in found.items() if each.state == "unused"] == ["encoded dataset"]
    told = {name: each.told for name, each in found.items()}
    assert "4 files; " in told["motions (poses.motions)"]
    assert "60 vertices (not SMPL-X's" in told["SMPL-X body (synthesis.mimo.body)"]
    assert "7 views" in told["base model (finetune.model.base)"] and "base model (reward.i2mv)" not in told
    assert "(2, 7, 9," in told["prompt embeddings (finetune.model.text_embeddings)"]
    assert "not torchvision's own file" in told["LPIPS backbone (distance.backbone_weights)"]
    assert "1 scans with fits, layout thuman" in told["scans (scans.sources)"]


def test_what_is_not_there_is_missing_with_its_source_and_terms(tmp_path: Path) -> None:
    found = list(findings(_config(tmp_path / "nowhere")))
    missing = {each.name.partition(" (")[0]: each for each in found if each.state == "missing"}
    assert missing.keys() == {part.name for part in PARTS} - {"skeleton predictor", "pose estimator", "encoded dataset"}
    for part in PARTS:
        if part.name in missing:
            assert all(text in missing[part.name].line for text in (part.source, part.terms, part.purpose))


def _junk(file: Path, _: Path) -> None:
    file.write_bytes(bytes(range(256)) * 8)


def _empty(file: Path, _: Path) -> None:
    file.write_bytes(b"")


def _half(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _pickled(file: Path, marker: Path) -> None:
    torch.save({"a": Payload(marker)}, file)


def _pipe(file: Path, _: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()


FILES = {
    "SMPLX_NEUTRAL.npz": "SMPL-X body (synthesis.mimo.body)",
    "motionx/motion_data/smplx_322/humanml/a.npy": "motions (poses.motions)",
    "pshuman/model_index.json": "base model (finetune.model.base)",
    "pshuman/unet/config.json": "base model (finetune.model.base)",
    "pshuman/unet/diffusion_pytorch_model.safetensors": "base model (finetune.model.base)",
    "prompts/normal_embeds.pt": "prompt embeddings (finetune.model.text_embeddings)",
    "mimo/denoising_unet.pth": "MIMO (synthesis.mimo.weights)",
    "colours.npy": "MIMO's colour table (synthesis.mimo.color_table)",
    "photos/a.png": "photos of people (synthesis.mimo.photos)",
    "squeezenet.pth": "LPIPS backbone (distance.backbone_weights)",
    "shards/manifest.json": "dataset (reward.multiview_shards)",
    "predictor.safetensors": "skeleton predictor (finetune.reward.predictor)",
    "thuman/model/0461/0461.obj": "scans (scans.sources)",
}


DAMAGES = (_junk, _empty, _half, _pickled, _pipe, _folder)
# A tree of motions may hold what is no file.
CASES = [(file, damage) for file in FILES for damage in (DAMAGES[:4] if file.endswith("a.npy") else DAMAGES)]


@pytest.mark.parametrize(("file", "damage"), CASES)
def test_a_broken_or_hostile_file_is_wrong_with_a_reason(
    file: str, damage: Callable[[Path, Path], None], whole: Path, tmp_path: Path
) -> None:
    folder, marker = tmp_path / "parts", tmp_path / "was_run"
    shutil.copytree(whole, folder)
    damage(folder / file, marker)
    config = _only(_config(folder), file)
    found = _found(config)[FILES[file]]
    assert found.state == "wrong" and found.remedy, found.line
    assert str(folder) in found.line and not marker.exists()


def _only(config: DoctorConfig, file: str) -> DoctorConfig:
    """``config`` without the parts that take long to read and have nothing to do with ``file``."""
    changes: dict[str, Any] = {}
    if not file.startswith(("mimo", "photos", "colours", "SMPLX")):
        changes["synthesis"] = config.synthesis.model_copy(update={"mimo": None})
    return config.model_copy(update=changes)


def test_the_shipped_weights_are_all_that_the_defaults_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--run.folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "ok       base model (finetune.model.base): weights/small/i2mv" in printed
    assert "missing" not in printed and "wrong" not in printed


def test_the_papers_preset_misses_what_is_licensed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--config", str(ROOT / "configs" / "paper.yaml")]) == 1
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing")]
    for path in ("data/motionx/aist", "data/smplx/SMPLX_NEUTRAL.npz", "weights/pshuman", "weights/vgg16.pth"):
        assert any(f"nothing at {path};" in line for line in missing)
    assert "weights/paper/predictor.safetensors" not in "".join(missing), "it is fitted first"


def test_settings_that_are_refused_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--finetune.bse", "x"]) == 2 and main(["--finetune.optimizer.learning_rate", "1"]) == 2
    assert all(line.startswith("error: ") for line in capsys.readouterr().err.splitlines())


def test_a_machine_that_lacks_something_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {each.name: each for each in examine_machine(tmp_path / "file", "cuda", compiles=True)}
    assert len(found) == 10 and all("\n" not in each.line for each in found.values())
    assert found["run folder"].state == "ok", "a run may be kept beside a file"
    if not torch.cuda.is_available():
        assert found["GPU"].state == "missing" and found["GPU"].remedy


def test_a_file_that_two_settings_name_as_different_parts_is_looked_at_as_both(whole: Path) -> None:
    one = whole / "predictor.safetensors"
    config = DoctorConfig.model_validate({
        "finetune": {"reward": {"predictor": one}}, "evaluate": {"estimator": one}, "poses": {"motions": ()},
    })  # fmt: skip
    states = {asked.field: _find(asked).state for asked in asked_of(config) if asked.path == one}
    assert states == {"finetune.reward.predictor": "ok", "evaluate.estimator": "wrong"}


def test_no_finding_tells_credentials_or_has_no_end(tmp_path: Path) -> None:
    def check(path: Path) -> str:
        raise InputError("x" * 180, field="uri", value="http://me:hunter2" + "h" * 200 + "@host/", remedy="look")

    assert "hunter" not in examine("a part", tmp_path, check).line
    found = _find(Asked(PARTS[0], "reward.multiview_shards", Path("s3:/me:hunter2@bucket/a"), shards))
    assert found.state == "wrong" and "hunter" not in found.line and "AWS_ACCESS_KEY_ID" in found.remedy
    assert len(Finding("a part", "wrong", "x" * 10**6, "look").line) < 2200
