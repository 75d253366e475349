"""Axis-angle, matrices and Euler angles; NumPy, batch-first, radians.

``euler_xyz`` holds turns about the parent's fixed axes, x first, then y, then z: ``R = Rz @ Ry @ Rx``. For an arm that
rests along x the first angle is then a twist, which is what lets joint limits be a box.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def axis_angle_to_matrix(axis_angle: ArrayLike) -> Float64[Array, "... 3 3"]:
    """Of (..., 3) axes times angles, by Rodrigues' formula; exact at zero."""
    vector = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    zero = np.zeros(vector.shape[:-1])
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    # np.sinc is sin(pi x)/(pi x) with its limit at 0, so both coefficients are smooth there.
    first, second = np.sinc(angle / np.pi), 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    turned: Array = np.eye(3) + first * cross + second * (cross @ cross)
    return turned


def matrix_to_axis_angle(matrix: ArrayLike) -> Float64[Array, "... 3"]:
    """Of (..., 3, 3), with the angle in [0, pi], by the best-conditioned quaternion; stable near 0 and pi."""
    m = np.asarray(matrix, np.float64)
    a, b, c = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    p, q, r = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    u, v, w = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    # Row k is the quaternion (w, x, y, z) times four times its own k-th entry; the longest row loses least.
    outer = np.stack(
        [1 + a + b + c, p, q, r, p, 1 + a - b - c, u, v, q, u, 1 - a + b - c, w, r, v, w, 1 - a - b + c], -1
    ).reshape(*m.shape[:-2], 4, 4)
    best = np.linalg.norm(outer, axis=-1).argmax(-1)[..., None, None]
    quaternion = np.take_along_axis(outer, best, -2)[..., 0, :]
    quaternion /= np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion *= np.where(quaternion[..., :1] < 0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., :1])
    scale = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return np.asarray(scale * quaternion[..., 1:])


def turn(axis: int, angle: ArrayLike) -> Float64[Array, "... 3 3"]:
    """Rotations by (...) angles about the coordinate ``axis``."""
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., axis] = angle
    return axis_angle_to_matrix(vector)


def euler_xyz_to_matrix(euler: ArrayLike) -> Float64[Array, "... 3 3"]:
    """Of (..., 3): ``Rz @ Ry @ Rx``."""
    angles = np.asarray(euler, np.float64)
    turned: Array = turn(2, angles[..., 2]) @ turn(1, angles[..., 1]) @ turn(0, angles[..., 0])
    return turned


def matrix_to_euler_xyz(matrix: ArrayLike) -> Float64[Array, "... 3"]:
    """Of (..., 3, 3), with the middle angle in [-pi/2, pi/2]; at its ends x takes the twist and z is 0."""
    m = np.asarray(matrix, np.float64)
    cosine = np.hypot(m[..., 0, 0], m[..., 1, 0])
    y = np.arctan2(-m[..., 2, 0], cosine)
    locked = cosine < 1e-9
    x = np.where(locked, np.arctan2(-m[..., 1, 2], m[..., 1, 1]), np.arctan2(m[..., 2, 1], m[..., 2, 2]))
    z = np.where(locked, 0.0, np.arctan2(m[..., 1, 0], m[..., 0, 0]))
    return np.stack([x, y, z], -1)
