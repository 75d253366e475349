from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect import contact_sheet as sheets
from drpose_ray.datasets.inspect.contact_sheet import contact_sheet
from drpose_ray.datasets.inspect.rejected import rejected_frames
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

CELL = 128
CLIPS = {2: "half-drawn", 5: "refused"}


class Plain(Stripes):
    """One colour per window, and joints in the middle of the picture but for one hand in its upper left corner."""

    def make(self, window: PoseWindow) -> SequenceRecord:
        record = super().make(window)
        images = np.zeros_like(record.images["input"])
        images[:] = (*color_of(window.rank), 255)
        joints = np.zeros_like(record.joints_world)
        joints[:] = np.array([[0.1 * frame, 1.0, 0.0] for frame in range(len(joints))])[:, None]
        joints[:, 20] += np.array([-0.75, 0.75, 0], np.float32)
        return replace(record, images={"input": images}, joints_world=joints)


def color_of(rank: int) -> tuple[int, int, int]:
    return (40 + 17 * rank, 250 - 19 * rank, 30 * (rank % 3) + 60)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "dataset"
    build(plan_build(make_windows(11, 7, CLIPS), Plain(), folder, 4), Plain(), silent)
    return folder


def cells(sheet: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """(row, column, pixels) of the strips' cells of CELL pixels; where they lie is the layout's business."""
    strip = 6 * CELL
    for row in range(6):
        for column in range(2):
            top = 2 * 16 + 6 + row * (16 + CELL + 12) + 16
            left = 6 + column * (strip + 6)
            yield row, column, sheet[top : top + CELL, left : left + strip]


def test_all_sequences_of_a_small_dataset_are_shown_in_order(dataset: Path, tmp_path: Path) -> None:
    contact_sheet(dataset, tmp_path / "sheet.png", num=24)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    for row, column, strip in cells(sheet):
        rank = 2 * row + column
        if rank == 11:  # there are eleven
            assert (strip == 255).all()
            continue
        num_ok = {2: 4, 5: 0}.get(rank, 7)
        shown = min(num_ok, 5)
        frames = [strip[20:108, place * CELL + 20 : place * CELL + 108] for place in range(6)]
        for place in range(shown):
            assert (frames[place] == color_of(rank)).all(), (rank, place)
        for place in range(shown + 1 if shown else 0, 6):
            assert (frames[place] == 255).all(), (rank, place)


def test_the_skeleton_is_drawn_where_the_camera_sees_the_joints(dataset: Path, tmp_path: Path) -> None:
    contact_sheet(dataset, tmp_path / "sheet.png", num=24)
    _, _, strip = next(cells(np.asarray(Image.open(tmp_path / "sheet.png"))))
    picture = strip[:, 5 * CELL : 6 * CELL].astype(int)
    joint = np.abs(picture - (213, 94, 0)).sum(-1) == 0
    # The hand is .75 m from the centre of a picture 2 m wide: .125 of the picture from the corner.
    assert joint[14:19, 14:19].any() and joint[62:67, 62:67].any()
    bone = np.abs(picture - (0, 114, 178)).sum(-1) == 0
    assert bone[40, 37:44].any() and not bone[90:].any()


def test_the_same_seed_gives_the_same_file_and_another_other_sequences(dataset: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        contact_sheet(dataset, tmp_path / name, num=4, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_sequences_are_drawn_evenly_over_the_dataset() -> None:
    places = sheets._drawn_positions(1000, 10, 3)
    assert [place // 100 for place in places] == list(range(10))
    assert len({place % 100 for place in places}) > 3, "not always the same place of a run"


def test_runs_of_two_sequences_or_three_give_each_its_own() -> None:
    for seed in range(20):
        places = sheets._drawn_positions(50, 24, seed)
        assert len(set(places)) == 24 and min(places) >= 0 and max(places) < 50


def test_rejected_sequences_are_listed_with_frames_and_reasons(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(dataset)
    counts, half, refused = sheets._rejected_lines(manifest, rejected_frames(dataset))
    assert "7 RuntimeError: this clip cannot be drawn" in counts and "3 the body left the picture" in counts
    assert half.startswith("rank 2  half-drawn  walk_002") and half.endswith("the body left the picture (3, 5, 7)")
    assert refused.startswith("rank 5  refused  walk_005")
    monkeypatch.setattr(sheets, "_LISTED", 1)
    assert sheets._rejected_lines(manifest, rejected_frames(dataset))[1:] == [half, "... and 1 more sequences"]
