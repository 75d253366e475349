"""Growing, replacing, verifying and resharding by their jobs; builds run in this process instead of on Ray."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.datasets.builder.local import Progress, build, build_shard, complete
from drpose_ray.datasets.builder.on_ray import MakerPool
from drpose_ray.datasets.builder.plan import BuildPlan, plan_build
from drpose_ray.datasets.inspect import reshard_job as reshard
from drpose_ray.datasets.inspect import verify_job as verify_dataset
from drpose_ray.datasets.manifest import open_dataset, read_manifest
from drpose_ray.datasets.rows import Manifest
from drpose_ray.poses.windows_file import write_selection
from drpose_ray.synthesis import job as synthesize
from drpose_ray.synthesis.config import ClothedBodyConfig
from tests.datasets.builder.stripes import Stripes, make_windows

REFUSED = {1: "refused", 4: "refused", 7: "refused"}


@pytest.fixture
def synthesize_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``synthesize_with("--flag", "value")`` -> exit status and summary."""

    def build_here(plan: BuildPlan, pools: Sequence[MakerPool], progress: Progress) -> Manifest:
        (pool,) = pools
        return build(plan, pool.load(), progress)

    monkeypatch.setattr("drpose_ray.datasets.builder.on_ray.build_on_ray", build_here)
    monkeypatch.setattr("drpose_ray.synthesis.clothed_body.ClothedBody", _stripes)
    write_selection(tmp_path / "run/select_poses/selection.parquet", {"train": make_windows(12, clips=REFUSED)})
    fixed = ["--run.folder", str(tmp_path / "run"), "--synthesis.sequences_per_shard", "2"]
    fixed += ["--synthesis.clothed_body.body", "b.npz", "--synthesis.quality", "null"]

    def run(*flags: str) -> tuple[int, dict[str, Any]]:
        status = synthesize.main([*fixed, *flags])
        return status, json.loads((tmp_path / "run/synthesize/train/summary.json").read_text())

    return run


def _stripes(config: ClothedBodyConfig, seed: int) -> Stripes:
    return Stripes(seed)


def test_more_poses_grow_a_finished_dataset(synthesize_with: Any, tmp_path: Path) -> None:
    assert synthesize_with("--synthesis.num_poses", "12")[1]["sequences"] == 4
    _, summary = synthesize_with("--synthesis.num_poses", "24")
    assert (summary["sequences"], summary["shards"], summary["shards_built_now"]) == (8, 4, 2)
    assert len(read_manifest(tmp_path / "run/shards/train").identity.segments) == 2


def test_more_poses_than_were_selected_are_refused_with_the_command_that_selects_more(
    synthesize_with: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FileNotFoundError):
        synthesize_with("--synthesis.num_poses", "100")
    assert "--poses.num_train 34 --poses.continues" in capsys.readouterr().err


def test_rejected_sequences_are_replaced_by_the_next_picks_and_a_rerun_adds_nothing(synthesize_with: Any) -> None:
    for built_now in (4, 0):
        _, summary = synthesize_with("--synthesis.num_poses", "15", "--synthesis.replace_rejected", "true")
        # Picks 1 and 4 are refused; 5 and 6 take their places.
        assert (summary["sequences"], summary["sequences_ok"]) == (7, 5)
        assert summary["shards_built_now"] == built_now


def test_verify_says_what_is_wrong_and_repair_makes_way_for_the_next_build(
    synthesize_with: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesize_with()
    flags = ["--run.folder", str(tmp_path / "run")]
    assert verify_dataset.main(flags) == 0
    shard = tmp_path / "run/shards/train/shard-000003.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:5000])
    assert verify_dataset.main(flags) == 1
    said = capsys.readouterr()
    assert "torn: shard-000003.tar" in said.out and "--verify.repair true" in said.err
    assert verify_dataset.main([*flags, "--verify.repair", "true"]) == 0
    assert synthesize_with()[1]["shards_built_now"] == 1
    assert shard.read_bytes() == whole and verify_dataset.main(flags) == 0


def test_reshard_copies_and_asks_for_what_it_needs(
    synthesize_with: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesize_with()
    flags = ["--run.folder", str(tmp_path / "run"), "--reshard.output", str(tmp_path / "large")]
    assert reshard.main(flags) == 2 and "reshard.inputs" in capsys.readouterr().err
    inputs = ["--reshard.inputs", json.dumps([str(tmp_path / "run/shards/train")])]
    assert reshard.main([*flags, *inputs, "--reshard.sequences_per_shard", "5"]) == 0
    assert [row.sequences for row in read_manifest(tmp_path / "large").shards] == [5, 5, 2]


def test_generators_share_the_shards_of_one_dataset(tmp_path: Path) -> None:
    plan = plan_build(make_windows(20), Stripes(1), tmp_path, 1, beside=[(Stripes(2), 0.25)])
    drawn_by = [plan.identity.generator_of(i) for i in range(20)]
    assert drawn_by.count(0) == 5 and drawn_by[:8] == [1, 1, 1, 0, 1, 1, 1, 0]
    open_dataset(plan.location, plan.identity)
    for shard_id in range(20):
        build_shard(plan, shard_id, (Stripes(2), Stripes(1))[drawn_by[shard_id]])
    assert [each.share for each in complete(plan).identity.generators] == [0.25, 0.75]
