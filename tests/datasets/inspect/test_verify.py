from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import BuildPlan, plan_build
from drpose_ray.datasets.inspect.verify import inspect, repair
from tests.datasets.builder.stripes import Stripes, make_windows, silent


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    plan = plan_build(make_windows(7), Stripes(), tmp_path / "dataset", 2)
    build(plan, Stripes(), silent)
    return plan


def files(plan: BuildPlan) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(plan.location).iterdir()}


def _delete(shard: Path) -> None:
    shard.unlink()


def _tear(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:1000])


def _alter(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[3000] ^= 1
    shard.write_bytes(data)


def _unmark(shard: Path) -> None:
    shard.with_suffix(".json").unlink()


def _mark_wrongly(shard: Path) -> None:
    other = shard.with_name("shard-000000.json")
    shard.with_suffix(".json").write_bytes(other.read_bytes())


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (_delete, "missing"),
        (_tear, "torn"),
        (_alter, "altered"),
        (_unmark, "unmarked"),
        (_mark_wrongly, "unmarked"),
    ],
)
def test_damage_is_found_and_named_and_a_repaired_dataset_is_rebuilt_to_the_same_bytes(
    plan: BuildPlan, damage: Callable[[Path], None], kind: str
) -> None:
    before = files(plan)
    damage(Path(plan.location) / "shard-000002.tar")
    findings = list(inspect(plan.location))
    assert [(finding.kind, finding.name) for finding in findings] == [(kind, "shard-000002.tar")]
    repair(plan.location, findings)
    generator = Stripes()
    build(plan, generator, silent)
    assert generator.generated == ["walk_004", "walk_005"]
    assert files(plan) == before and list(inspect(plan.location)) == []


def test_parts_are_no_damage_and_repair_removes_only_those_that_nobody_writes_any_more(plan: BuildPlan) -> None:
    before = files(plan)
    gone, living = (f"shard-000002.tar.part.{socket.gethostname()}.{process}" for process in (4194305, os.getpid()))
    for name in (gone, living):
        (Path(plan.location) / name).write_bytes(b"half")
    assert list(inspect(plan.location)) == []
    repair(plan.location, [])
    assert files(plan) == before | {living: b"half"}


def test_foreign_files_are_reported_and_end_a_repair_before_it_begins(plan: BuildPlan) -> None:
    (Path(plan.location) / "thesis.tex").write_text("precious")
    _tear(Path(plan.location) / "shard-000000.tar")
    before = files(plan)
    findings = list(inspect(plan.location))
    assert {finding.kind for finding in findings} == {"torn", "extra"}
    with pytest.raises(InputError, match=r"thesis\.tex"):
        repair(plan.location, findings)
    assert files(plan) == before
