from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.rows import ShardRow
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

pytestmark = pytest.mark.slow


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class KilledOnce:
    """Makes generators of which the first to reach window 4 kills its own process."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __call__(self) -> Stripes:
        return _KilledOnce(self.marker)


class _KilledOnce(Stripes):
    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def make(self, window: PoseWindow) -> SequenceRecord:
        if window.rank == 4 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().make(window)


class Refusing(Stripes):
    def make(self, window: PoseWindow) -> SequenceRecord:  # noqa: ARG002
        raise InputError("the body model is unreadable", file="SMPLX_NEUTRAL.npz", remedy="download it again")


@pytest.mark.usefixtures("ray_session")
def test_ray_and_plain_builds_write_the_same_bytes_even_if_an_actor_dies(tmp_path: Path) -> None:
    windows = make_windows(9, clips={2: "half-drawn", 5: "refused"})
    plain = plan_build(windows, Stripes(), tmp_path / "plain", 2)
    on_ray = plan_build(windows, Stripes(), tmp_path / "ray", 2)
    manifest = build(plain, Stripes(), silent)
    rows: list[ShardRow] = []
    marker = tmp_path / "killed"
    assert build_on_ray(on_ray, [MakerPool(KilledOnce(marker), 2)], lambda row, _: rows.append(row)) == manifest
    assert marker.exists()
    assert sorted(row.name for row in rows) == [f"shard-{i:06d}.tar" for i in range(5)]
    left = folder_bytes(Path(on_ray.location))
    assert {name: data for name, data in left.items() if ".tmp." not in name} == folder_bytes(Path(plain.location))


def test_nothing_left_to_do_needs_no_ray(tmp_path: Path) -> None:
    plan = plan_build(make_windows(2), Stripes(), tmp_path / "dataset", 2)
    manifest = build(plan, Stripes(), silent)

    def never() -> Stripes:
        raise AssertionError("a generator was made")

    assert build_on_ray(plan, [MakerPool(never, 2)], silent) == manifest


class Color:
    """Makes stripes of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self) -> Stripes:
        return Stripes(self.seed)


@pytest.mark.usefixtures("ray_session")
def test_two_kinds_of_generators_draw_their_own_shards_at_the_same_time(tmp_path: Path) -> None:
    plan = plan_build(make_windows(8), Stripes(1), tmp_path, 2, beside=[(Stripes(2), 0.5)])
    build_on_ray(plan, [MakerPool(Color(2), 1), MakerPool(Color(1), 1)], silent)
    for sample in ShardReader(tmp_path):
        drawn_by = Stripes(2 if plan.identity.generator_of(int(sample.key[-3:]) // 2) == 0 else 1)
        expected = drawn_by.make(make_windows(8)[int(sample.key[-3:])])
        np.testing.assert_array_equal(sample.images["input"], expected.images["input"][sample.frame])


@pytest.mark.usefixtures("ray_session")
def test_bad_input_inside_an_actor_reaches_the_driver_as_it_was_raised(tmp_path: Path) -> None:
    plan = plan_build(make_windows(2), Refusing(), tmp_path / "dataset", 2)
    with pytest.raises(InputError, match="download it again") as caught:
        build_on_ray(plan, [MakerPool(Refusing, 1)], silent)
    assert caught.value.file == "SMPLX_NEUTRAL.npz"
