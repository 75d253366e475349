"""The exported body is what stock smplx makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import smplx
import torch

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.people import draw_person
from drpose_ray.body.smplx_body import Body, vertex_normals
from drpose_ray.core.errors import InputError
from drpose_ray.geometry.skeleton import MIRROR
from drpose_ray.poses.procedural.standing import draw_moderate


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))


def test_posing_equals_stock_smplx(body: Body) -> None:
    model = smplx.create(
        str(ensure_body(BODY_CACHE)), model_type="smplx", ext="npz", use_pca=False, flat_hand_mean=True,
        num_betas=10, num_expression_coeffs=10,
    )  # fmt: skip
    row = draw_moderate(np.random.default_rng(0), 1)[0]
    rng = np.random.default_rng(1)
    row[66:159] = rng.normal(0, 0.2, 93)
    row[309:322] = rng.normal(0, 0.5, 13)
    part = {
        "global_orient": row[:3], "body_pose": row[3:66], "left_hand_pose": row[66:111],
        "right_hand_pose": row[111:156], "jaw_pose": row[156:159], "transl": row[309:312], "betas": row[312:],
    }  # fmt: skip
    with torch.no_grad():
        expected = model(**{name: torch.from_numpy(np.array(value))[None] for name, value in part.items()})
    vertices, joints = body.pose(row)
    np.testing.assert_allclose(vertices, expected.vertices[0].numpy(), atol=2e-6)
    np.testing.assert_allclose(joints, expected.joints[0, :55].numpy(), atol=2e-6)


def test_clothes_move_the_surface_and_not_the_skeleton(body: Body) -> None:
    row = draw_moderate(np.random.default_rng(0), 1)[0]
    bare, joints = body.pose(row)
    clothed, clothed_joints = body.pose(row, draw_person(body, 0).outfit.offsets)
    np.testing.assert_array_equal(joints, clothed_joints)
    moved = np.linalg.norm(clothed - bare, axis=1)
    assert 0.005 < moved.max() < 0.05


def test_rest_joints_are_symmetric_and_anatomical(body: Body) -> None:
    joints = body.rest_joints[:23]
    mirrored = joints[list(MIRROR)] * [-1, 1, 1]
    np.testing.assert_allclose(joints, mirrored, atol=0.02)
    assert joints[15, 1] > joints[12, 1] > joints[0, 1] > joints[4, 1] > joints[7, 1]
    assert joints[16, 0] > 0, "left is +x"
    assert abs(joints[20, 1] - joints[16, 1]) < 0.02, "T-pose: wrists at shoulder height"


def test_faces_point_outward(body: Body) -> None:
    corners = body.rest_vertices[body.faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert 0.04 < volume < 0.12, "a human body holds 40 to 120 litres"
    normals = vertex_normals(body.rest_vertices, body.faces)
    nose = body.rest_vertices[:, 2].argmax()
    assert normals[nose, 2] > 0.5


def test_people_depend_on_their_seed_alone(body: Body) -> None:
    one, again, other = draw_person(body, 4), draw_person(body, 4), draw_person(body, 5)
    np.testing.assert_array_equal(one.outfit.colors, again.outfit.colors)
    np.testing.assert_array_equal(one.betas, again.betas)
    assert not np.array_equal(one.outfit.colors, other.outfit.colors)


def test_a_row_of_the_wrong_size_is_refused(body: Body) -> None:
    with pytest.raises(InputError, match="wrong size"):
        body.pose(np.zeros(321, np.float32))
