"""Rotations agree with SciPy's, and survive the places where they usually break: 0, pi and gimbal lock."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drpose_ray.core.seeding import stream
from drpose_ray.geometry import rotations


def test_matrices_agree_with_scipy() -> None:
    vectors = stream(0, "rotations").normal(size=(5, 40, 3))
    expected = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(5, 40, 3, 3)
    np.testing.assert_allclose(rotations.axis_angle_to_matrix(vectors), expected, atol=1e-14)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-4, np.pi - 1e-9])
def test_axis_angle_survives_the_round_trip_at_any_angle(angle: float) -> None:
    axes = stream(1, "axes").normal(size=(50, 3))
    vectors = angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)
    back = rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(vectors))
    np.testing.assert_allclose(back, vectors, atol=1e-7)


def test_half_turns_give_a_half_turn_about_either_end_of_the_axis() -> None:
    vectors = np.pi * np.eye(3)
    back = rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(vectors))
    np.testing.assert_allclose(np.abs(back), vectors, atol=1e-7)


def test_euler_angles_turn_about_fixed_axes_x_first() -> None:
    angles = stream(2, "euler").uniform(-1.5, 1.5, (40, 3))
    expected = Rotation.from_euler("xyz", angles).as_matrix()
    np.testing.assert_allclose(rotations.euler_xyz_to_matrix(angles), expected, atol=1e-14)
    np.testing.assert_allclose(rotations.matrix_to_euler_xyz(expected), angles, atol=1e-12)


@pytest.mark.parametrize("y", [-np.pi / 2, np.pi / 2])
def test_gimbal_lock_keeps_the_rotation(y: float) -> None:
    matrix = rotations.euler_xyz_to_matrix([0.4, y, -0.9])
    euler = rotations.matrix_to_euler_xyz(matrix)
    np.testing.assert_allclose(rotations.euler_xyz_to_matrix(euler), matrix, atol=1e-7)
