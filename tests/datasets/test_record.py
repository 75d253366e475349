from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from drpose_ray.datasets.record import FrameStatus, RecordHeader, SequenceRecord, encode_members
from drpose_ray.datasets.shards.png import decode_png
from tests.datasets.builder.stripes import Stripes, make_windows


@pytest.fixture
def record() -> SequenceRecord:
    return Stripes().make(make_windows(1)[0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"key": "walk.000"}, "must match"),
        ({"key": "../walk"}, "must match"),
        ({"motion": np.zeros((3, 321), np.float32)}, "motion is"),
        ({"motion": np.zeros((3, 322))}, "motion is float64"),
        ({"joints_world": np.zeros((3, 22, 3), np.float32)}, "joints are"),
        ({"joints_world": np.full((3, 23, 3), np.nan, np.float32)}, "not finite"),
        ({"images": {"input": np.zeros((2, 8, 8, 3), np.uint8)}}, "image input is"),
        ({"images": {"in.put": np.zeros((3, 8, 8, 3), np.uint8)}}, "image name"),
        ({"images": {}}, "need images"),
        ({"camera": None}, "and a camera"),
    ],
)
def test_parts_that_do_not_fit_are_refused(record: SequenceRecord, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        dataclasses.replace(record, **change)


def test_a_frame_that_is_not_ok_needs_a_reason_and_no_pixels(record: SequenceRecord) -> None:
    with pytest.raises(ValidationError):
        FrameStatus(state="filtered")
    with pytest.raises(ValidationError):
        FrameStatus(reason="looks odd")
    filtered = FrameStatus(state="filtered", reason="detected pose disagrees")
    record = dataclasses.replace(record, status=(record.status[0], filtered, record.status[2]))
    assert [name for name, _ in encode_members(record) if name.endswith(".png")] == [
        "walk_000.00.input.png",
        "walk_000.02.input.png",
    ]


def test_pixels_and_header_survive_encoding(record: SequenceRecord) -> None:
    members = dict(encode_members(record))
    np.testing.assert_array_equal(decode_png(members["walk_000.01.input.png"]), record.images["input"][1])
    assert RecordHeader.model_validate_json(members["walk_000.json"]) == record.header()


def test_a_header_with_an_unknown_field_is_refused(record: SequenceRecord) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        RecordHeader.model_validate(record.header().model_dump() | {"colour": "red"})
