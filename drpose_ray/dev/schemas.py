"""Write one JSON Schema per job configuration, job summary and stored record into ``schemas/``, and the jobs' index.

Normal:  drpose dev schemas
In CI:   drpose dev schemas --check    (writes nothing; status 1 if the folder is not what it would write)
"""

from __future__ import annotations

import argparse
import json
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from drpose_ray.cli import COMMANDS, load_job
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.settings.job_sections import INDEX, Index, collect_index

FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def stored_records() -> dict[str, type[BaseModel]]:
    """What lies in files for others to read."""
    from drpose_ray.core.runs.run import RunRecord
    from drpose_ray.datasets.inspect.card_fields import DatasetCard
    from drpose_ray.datasets.record import RecordHeader
    from drpose_ray.datasets.rows import Manifest, ShardRow

    return {
        "card": DatasetCard,
        "run": RunRecord,
        "shards.manifest": Manifest,
        "shards.record": RecordHeader,
        "shards.shard": ShardRow,
    }


def collect_schemas() -> dict[str, dict[str, object]]:
    """File name -> JSON Schema: of the stored records, and of each job module's ``CONFIG`` and ``SUMMARY``."""
    schemas = {
        f"{name}.json": model.model_json_schema(mode="serialization") for name, model in stored_records().items()
    }
    for module in job_modules():
        job = load_job(module)
        if hasattr(job, "CONFIG"):
            schemas[f"{module}.config.json"] = job.CONFIG.model_json_schema()
        if hasattr(job, "SUMMARY"):
            schemas[f"{module}.summary.json"] = summary_of(job).model_json_schema(mode="serialization")
    return schemas


def summary_of(job: ModuleType) -> type[BaseModel]:
    """What a job reports. Where the class's module takes seconds to load, ``SUMMARY`` is its name."""
    named: type[BaseModel] | str = job.SUMMARY
    summary: type[BaseModel] = pkgutil.resolve_name(named) if isinstance(named, str) else named
    return summary


def job_modules() -> list[str]:
    """Names of the files in ``jobs/``."""
    return sorted(command.script for command in COMMANDS.values())


def job_index() -> Index:
    """Which job reads which settings, from the jobs' ``CONFIG`` classes."""
    loaded = {name: load_job(name) for name in job_modules()}
    return collect_index({name: job.CONFIG for name, job in loaded.items() if hasattr(job, "CONFIG")})


def write_schemas(folder: Path) -> int:
    """Make ``folder`` hold exactly what the models now say; returns how many files that is."""
    schemas = collect_schemas()
    for file in folder.glob("*.json"):
        if file.name not in schemas:
            file.unlink()
    for name, schema in schemas.items():
        write_json(folder / name, schema)
    return len(schemas)


def find_drift(folder: Path) -> list[str]:
    """Names of files in ``folder``, and of the index, that are missing, left over, or other than the models now say."""
    expected = {**collect_schemas(), INDEX.name: job_index()}
    stored = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in (*folder.glob("*.json"), INDEX)}
    return sorted(name for name in expected.keys() | stored.keys() if expected.get(name) != stored.get(name))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="report drift instead of writing")
    check = parser.parse_args(argv).check
    if check:
        drift = find_drift(FOLDER)
        if drift:
            print(f"schemas/ is not up to date: {', '.join(drift)}; run `make schemas` and review the difference")
        return 1 if drift else 0
    write_json(INDEX, job_index())
    print(f"{write_schemas(FOLDER)} schemas in {FOLDER}")
    return 0
