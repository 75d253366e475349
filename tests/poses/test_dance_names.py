"""Names of dances are parsed as the data sets write them."""

from __future__ import annotations

import pytest

from drpose_ray.poses.procedural.dance_names import (
    AistPlusPlusDance,
    MotionXDance,
    parse_aistpp_dance,
    parse_motionx_dance,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aist/subset_0000/Dance_Break_Six_Step_clip_12", MotionXDance("Break", "Six_Step", 12)),
        ("Dance_Middle_Hip-hop_Bart-Simpson", MotionXDance("Middle_Hip-hop", "Bart-Simpson", 0)),
        ("Dance_Street_Jazz_clip_3", MotionXDance("Street_Jazz", None, 3)),
        ("Dance_Krump", MotionXDance("Krump", None, 0)),
        ("Dance_Tango_Ocho", None),
        ("dance_0001", None),
        ("aist/Dance_Pop_Wave/other", None),
    ],
)
def test_motionx_names(name: str, expected: MotionXDance | None) -> None:
    assert parse_motionx_dance(name) == expected


def test_aistpp_names() -> None:
    assert parse_aistpp_dance("motions/gBR_sBM_cAll_d04_mBR0_ch01") == AistPlusPlusDance(
        "BR", "BM", ("d04",), "BR0", "ch01"
    )
    group = parse_aistpp_dance("gMH_sGR_c01_d22d23d24_mMH3_ch02")
    assert group is not None and group.dancers == ("d22", "d23", "d24")
    assert parse_aistpp_dance("gXX_sBM_cAll_d04_mBR0_ch01") is None
    assert parse_aistpp_dance("05_02") is None
