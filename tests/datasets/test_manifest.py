from __future__ import annotations

import socket
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build, build_shard
from drpose_ray.datasets.builder.plan import BuildPlan, plan_build
from drpose_ray.datasets.manifest import complete_dataset, finished_shard, open_dataset, read_manifest
from tests.datasets.builder.stripes import Stripes, make_windows, silent


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    return plan_build(make_windows(5), Stripes(), tmp_path / "dataset", sequences_per_shard=2)


def test_counts_add_up_to_what_was_planned(tmp_path: Path) -> None:
    windows = make_windows(5, clips={1: "half-drawn", 4: "refused"})
    plan = plan_build(windows, Stripes(), tmp_path / "dataset", 2)
    manifest = build(plan, Stripes(), silent)
    assert (manifest.frames_ok, manifest.frames_failed, manifest.frames_filtered) == (11, 4, 0)
    assert manifest.identity.frames == 15
    assert [row.sequences for row in manifest.shards] == [2, 2, 1]
    assert manifest.shards[2].reasons == {"RuntimeError: this clip cannot be drawn": 3}
    assert read_manifest(Path(plan.location)) == manifest


def test_a_manifest_edited_by_hand_is_refused(plan: BuildPlan) -> None:
    build(plan, Stripes(), silent)
    manifest = Path(plan.location) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"frames_ok": 15', '"frames_ok": 14'))
    with pytest.raises(InputError, match=r"altered.*manifest\.json"):
        read_manifest(Path(plan.location))


def test_the_marker_comes_only_when_every_shard_is_there(plan: BuildPlan) -> None:
    open_dataset(Path(plan.location), plan.identity)
    build_shard(plan, 0, Stripes())
    build_shard(plan, 2, Stripes())
    with pytest.raises(InputError, match=r"not finished.*shard-000001\.tar"):
        complete_dataset(Path(plan.location), plan.identity)
    assert not (Path(plan.location) / "_COMPLETE").exists() and not (Path(plan.location) / "manifest.json").exists()


def test_a_dataset_without_one_ok_frame_is_not_completed(tmp_path: Path) -> None:
    plan = plan_build(make_windows(2, clips={0: "refused", 1: "refused"}), Stripes(), tmp_path / "dataset", 2)
    with pytest.raises(InputError, match="this clip cannot be drawn"):
        build(plan, Stripes(), silent)
    assert not (Path(plan.location) / "_COMPLETE").exists()


def test_a_shard_whose_length_is_not_its_sidecars_counts_as_unfinished(plan: BuildPlan) -> None:
    open_dataset(Path(plan.location), plan.identity)
    row = build_shard(plan, 0, Stripes())
    assert finished_shard(Path(plan.location), 0) == row
    shard = Path(plan.location) / row.name
    shard.write_bytes(shard.read_bytes()[:-512])
    assert finished_shard(Path(plan.location), 0) is None


def test_a_folder_with_foreign_files_is_refused_and_left_alone(plan: BuildPlan) -> None:
    Path(plan.location).mkdir()
    (Path(plan.location) / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"something other.*thesis\.tex"):
        open_dataset(Path(plan.location), plan.identity)
    assert [path.name for path in Path(plan.location).iterdir()] == ["thesis.tex"]


def test_shards_without_their_plan_are_refused(plan: BuildPlan) -> None:
    build(plan, Stripes(), silent)
    (Path(plan.location) / "plan.json").unlink()
    with pytest.raises(InputError, match="something other"):
        open_dataset(Path(plan.location), plan.identity)


def test_the_folder_of_another_dataset_is_refused_and_left_alone(plan: BuildPlan) -> None:
    build(plan, Stripes(), silent)
    before = {path: path.read_bytes() for path in Path(plan.location).iterdir()}
    other_settings = plan_build(plan.items, Stripes(seed=1), Path(plan.location), 2)
    other_poses = plan_build(plan.items[:4], Stripes(), Path(plan.location), 2)
    other_shards = plan_build(plan.items, Stripes(), Path(plan.location), 3)
    for other, field in [
        (other_settings, "generators"),
        (other_poses, "segments"),
        (other_shards, "sequences_per_shard"),
    ]:
        with pytest.raises(InputError, match=f"other settings.*{field}"):
            build(other, Stripes(), silent)
    assert {path: path.read_bytes() for path in Path(plan.location).iterdir()} == before


def test_what_a_killed_writer_left_is_swept_with_completion_and_no_sooner(plan: BuildPlan) -> None:
    open_dataset(plan.location, plan.identity)
    gone, elsewhere = f"{socket.gethostname()}.4194305", "another-host.1"
    for writer in (gone, elsewhere):
        (Path(plan.location) / f"shard-000001.tar.part.{writer}").write_bytes(b"half a shard")
    open_dataset(plan.location, plan.identity)
    assert len(list(Path(plan.location).glob("*.part.*"))) == 2  # a later attempt may go on with them
    build(plan, Stripes(), silent)
    assert [path.name for path in Path(plan.location).glob("*.part.*")] == [f"shard-000001.tar.part.{elsewhere}"]
