"""The Fig. 4 measure is a standard deviation in metres, blind to heading, and its picture is a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.seeding import stream
from drpose_ray.poses.procedural.limits import JOINT
from drpose_ray.poses.procedural.standing import draw_moderate, draw_standing
from drpose_ray.poses.sampling.diversity import diversity_mm, joint_spread, plot_diversity


def test_two_poses_have_the_spread_computed_by_hand() -> None:
    rows = np.zeros((2, 322))
    rows[1, 3 * JOINT["left_elbow"] + 1] = -np.pi / 2  # the wrist moves by 0.255 m along -x and along +z
    expected = np.zeros(22)
    expected[JOINT["left_wrist"]] = (0.255 / 2 + 0.255 / 2) / 3
    np.testing.assert_allclose(joint_spread(rows), expected, atol=1e-9)
    assert diversity_mm(rows) == pytest.approx(1000 * expected.mean())


def test_heading_and_place_do_not_count_and_leaning_does() -> None:
    turned, leaning = np.zeros((2, 20, 322))
    turned[:, 1] = np.linspace(-3, 3, 20)
    turned[:, 309:312] = np.random.default_rng(0).normal(size=(20, 3))
    leaning[:, 0] = np.linspace(0, 1, 20)
    assert diversity_mm(turned) < 1e-6
    assert diversity_mm(leaning) > 50


def test_plot_is_published_as_png(tmp_path: Path) -> None:
    sets = {"standing": draw_standing(stream(0, "s"), 40), "moderate": draw_moderate(stream(0, "m"), 40)}
    plot_diversity(sets, tmp_path / "diversity.png")
    assert (tmp_path / "diversity.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["diversity.png"]
