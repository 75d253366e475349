from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from drpose_ray.cli import load_job
from drpose_ray.core.runs.run import Summary
from drpose_ray.core.settings.config import Config
from drpose_ray.core.settings.dotted import section_of
from drpose_ray.core.settings.job_sections import known_sections
from drpose_ray.dev import schemas

JOBS = {
    name: module
    for name, module in ((name, load_job(name)) for name in schemas.job_modules())
    if hasattr(module, "CONFIG")
}


def sections_within(model: type[BaseModel]) -> set[type[BaseModel]]:
    """``model`` and every model that its fields hold, at any depth."""
    found = {model}
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= sections_within(part)
    return found


def is_section(annotation: object) -> bool:
    """A section may leave its description to its class's docstring."""
    return isinstance(annotation, type) and issubclass(annotation, Config) and bool(annotation.__doc__)


def test_the_folder_holds_what_the_models_say() -> None:
    assert schemas.find_drift(schemas.FOLDER) == []


def test_a_changed_a_missing_and_a_left_over_schema_are_drift(tmp_path: Path) -> None:
    schemas.write_schemas(tmp_path)
    assert schemas.find_drift(tmp_path) == []
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "shards.record.json").unlink()
    (tmp_path / "gone.config.json").write_text("{}")
    assert schemas.find_drift(tmp_path) == ["gone.config.json", "run.json", "shards.record.json"]
    schemas.write_schemas(tmp_path)
    assert schemas.find_drift(tmp_path) == []


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_a_closed_configuration_and_summary_whose_fields_are_described(job: str) -> None:
    assert issubclass(JOBS[job].CONFIG, Config)
    assert job == "doctor" or issubclass(schemas.summary_of(JOBS[job]), Summary)
    for section in sections_within(JOBS[job].CONFIG):
        fields = section.model_fields.items()
        missing = [name for name, field in fields if not field.description and not is_section(field.annotation)]
        assert not missing, f"{section.__name__}: {missing}"
        said = {name: field.description or section_of(field.annotation).__doc__ for name, field in fields}
        fragments = [
            name for name, text in said.items() if not text[0].isupper() or not text.rstrip().endswith((".", "?"))
        ]
        assert not fragments, f"{section.__name__}: {fragments} are described by no sentence"


def test_a_section_has_one_type_in_all_jobs_and_every_section_is_known() -> None:
    types: dict[str, set[object]] = {}
    for job in JOBS.values():
        for name, field in job.CONFIG.model_fields.items():
            types.setdefault(name, set()).add(field.annotation)
    assert {name for name, found in types.items() if len(found) > 1} == set()
    assert set(types) == set(known_sections())


def test_a_stored_schema_is_plain_json_schema() -> None:
    schema = json.loads((schemas.FOLDER / "run.json").read_text())
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
