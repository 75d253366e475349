"""Garments hang on the free body as MakeHuman hangs them on its own, and move with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from drpose_ray.body.garments.base_mesh import NUM_VERTICES
from drpose_ray.body.garments.garment import read_garment
from drpose_ray.body.garments.skinning import pose_vertices
from drpose_ray.body.smplx_body import vertex_normals
from drpose_ray.core.errors import InputError
from drpose_ray.geometry.motion_row import BETAS, NUM_COLUMNS
from drpose_ray.poses.procedural.standing import draw_moderate
from tests.body.garments.small import base_mesh, free_body, write_outfit, write_square


def someone(seed: int) -> np.ndarray:
    row = draw_moderate(np.random.default_rng(seed), 1)[0]
    row[BETAS] = 0.8 * np.random.default_rng(seed).normal(size=10)
    return row


def test_the_base_mesh_is_the_body_where_both_are() -> None:
    """Vertices, weights and shapes, of any betas."""
    body, base = free_body(), base_mesh()
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[BETAS] = someone(1)[BETAS]
    _, t_pose = base.shaped(row[BETAS])
    np.testing.assert_allclose(t_pose[base.body_vertices], body.pose(row)[0], atol=2e-6)
    np.testing.assert_allclose(base.weights.sum(1), 1, atol=1e-5)
    assert len(np.unique(base.body_vertices)) == body.num_vertices


def test_posing_equals_the_bodys_own() -> None:
    body, base, row = free_body(), base_mesh(), someone(2)
    rest = np.zeros(NUM_COLUMNS, np.float32)
    rest[BETAS] = row[BETAS]
    vertices, joints = body.pose(rest)
    posed, posed_joints = pose_vertices(vertices, base.weights[base.body_vertices], joints, row)
    expected, expected_joints = body.pose(row)
    np.testing.assert_allclose(posed, expected, atol=5e-6)
    np.testing.assert_allclose(posed_joints, expected_joints, atol=5e-6)
    with pytest.raises(InputError, match="wrong size"):
        pose_vertices(vertices, base.weights, joints, row[:3])


def test_a_vertex_on_one_is_that_one_and_offsets_grow_with_the_body(tmp_path: Path) -> None:
    base = base_mesh()
    head = int(base.body_vertices[free_body().rest_vertices[:, 1].argmax()])  # where A- and T-pose are alike
    garment = read_garment(write_square(tmp_path, bindings=f"{head}\n{head}\n{head} 1 2 1 0 0 .5 1 0\n5\n"), base)
    for betas in (np.zeros(10), someone(3)[BETAS]):
        a_pose, t_pose = base.shaped(betas)
        fitted = garment.binding.fit(base, a_pose, t_pose)
        np.testing.assert_allclose(fitted[[0, 3]], t_pose[[head, 5]], atol=1e-6)
        width, height = abs(a_pose[5399, 0] - a_pose[11998, 0]), abs(a_pose[791, 1] - a_pose[881, 1])
        np.testing.assert_allclose(fitted[2] - t_pose[head], [0.5 * width / 1.4, height / 2.3, 0], atol=1e-5)


def test_an_offset_on_an_arm_turns_with_it_into_the_t_pose(tmp_path: Path) -> None:
    """The cut lies over the skin along its normals in the T-pose, though its offsets are said in the A-pose."""
    garment = read_garment(write_outfit(tmp_path, above_m=0.02), base_mesh())
    body, base = free_body(), base_mesh()
    numbers = garment.binding.vertices[:, 0]
    apart = garment.points - base.t_pose[0][numbers]
    assert np.abs(garment.points[:, 0]).max() > 0.3
    order = np.argsort(base.body_vertices)
    here = order[np.searchsorted(base.body_vertices[order], numbers)]
    np.testing.assert_allclose(apart, 0.02 * vertex_normals(body.rest_vertices, body.faces)[here], atol=1e-4)
    turned = np.abs(base.turns[numbers] - np.eye(3)).max((1, 2))
    assert turned.max() > 0.4


def test_skinning_weights_are_shares_even_beyond_the_triangle(tmp_path: Path) -> None:
    bindings = "1 200 9000 1.5 -.25 -.25 0 0 0\n1 200 9000 .3 .3 .4 0 0 0\n7\n8\n"
    garment = read_garment(write_square(tmp_path, bindings=bindings), base_mesh())
    assert sp.issparse(garment.skin) and garment.skin.shape == (4, 55)
    assert garment.skin.min() >= 0
    np.testing.assert_allclose(garment.skin.sum(1), 1, atol=1e-5)
    assert garment.binding.points.shape == (4, NUM_VERTICES)
    np.testing.assert_allclose(garment.binding.points.sum(1), 1, atol=1e-5)
