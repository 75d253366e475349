"""What earlier versions called a setting: refused in one line with today's name, in presets, flags and run folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drpose_ray.cli import load_job
from drpose_ray.core.errors import InputError
from drpose_ray.core.runs.run import CONFIG_FILE
from drpose_ray.core.settings.config import load_config
from drpose_ray.core.settings.dotted import dotted_names
from drpose_ray.core.settings.flags import COMMAND_LINE
from drpose_ray.core.settings.renamed import RENAMED, refuse_renamed
from drpose_ray.dev.schemas import job_modules
from drpose_ray.finetune.checkpoint import export_job as export
from drpose_ray.finetune.job import CONFIG

MODULES = [load_job(name) for name in job_modules()]
SETTINGS = {name for module in MODULES if hasattr(module, "CONFIG") for name in dotted_names(module.CONFIG)}


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_refused_with_a_new_one_that_exists(old: str, tmp_path: Path) -> None:
    assert RENAMED[old] in SETTINGS
    assert old not in SETTINGS or RENAMED[old].startswith(f"{old}."), "the old name means something else now"
    values: object = 1
    for part in reversed(old.split(".")):
        values = {part: values}
    preset = tmp_path / "preset.yaml"
    preset.write_text(yaml.safe_dump(values))
    for flags, file, dashes in ((["--config", str(preset)], preset, ""), ([f"--{old}", "1"], COMMAND_LINE, "--")):
        with pytest.raises(InputError) as refused:
            load_config(CONFIG, flags)
        assert (refused.value.file, refused.value.field) == (file, dashes + old)
        assert f"write {dashes}{RENAMED[old]};" in refused.value.remedy and "\n" not in str(refused.value)


def test_a_section_that_has_the_name_of_an_old_setting_is_taken() -> None:
    for held_out in (None, {"dataset": "pairs", "every": 3}):
        refuse_renamed({"finetune": {"held_out": held_out}}, None)


def test_a_run_folder_of_an_earlier_version_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONFIG_FILE).write_text("finetune: {base: weights/small/i2mv}")
    assert export.main(["--export.finetuned", str(tmp_path)]) == 2
    assert "write finetune.model.base;" in capsys.readouterr().err


def test_what_was_inside_a_renamed_section_is_named_whole() -> None:
    with pytest.raises(InputError, match=r"write distance\.bce_weight;"):
        refuse_renamed({"reward": {"distance": {"bce_weight": 2}}}, None)


def test_all_old_names_of_a_preset_are_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        refuse_renamed({"finetune": {"base": "a", "eta": 0.5, "trained": "lora"}, "run": {"seed": 1}}, None)
    assert refused.value.field == "finetune.base" and refused.value.remedy.endswith(
        "; for finetune.eta finetune.algorithm.eta; for finetune.trained finetune.model.lora_rank"
    )
