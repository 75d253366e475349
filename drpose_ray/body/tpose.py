"""Bringing Anny's A-pose rest mesh into SMPL-X's T-pose, per body shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def bake_tpose(
    vertices: Array,
    heads: Array,
    labels: list[str],
    parents: list[int],
    weights: Array,
    indices: NDArray[np.int64],
) -> tuple[Array, Array]:
    """Rotate arms onto the x axis (palms down) and legs near the vertical, by linear blend skinning.

    Args:
        vertices: (V, 3) rest vertices, y up, facing +z, left +x, metres.
        heads: (N, 3) bone heads in the same frame; ``labels`` and ``parents`` name and chain the N bones.
        weights, indices: (V, K) skinning weights and the bones they belong to.

    Returns:
        T-posed vertices (V, 3) and bone heads (N, 3). Doing this per shape, before PCA, keeps betas linear.
    """
    rotations = _world_rotations(heads, labels, parents)
    posed = heads.copy()
    for bone, parent in enumerate(parents):
        if parent >= 0:
            posed[bone] = posed[parent] + rotations[parent] @ (heads[bone] - heads[parent])
    translations = posed - np.einsum("nij,nj->ni", rotations, heads)
    blended = np.einsum("vk,vkij->vij", weights, rotations[indices])
    return (
        np.einsum("vij,vj->vi", blended, vertices) + np.einsum("vk,vki->vi", weights, translations[indices]),
        posed,
    )


def _world_rotations(heads: Array, labels: list[str], parents: list[int]) -> Array:
    """(N, 3, 3) world rotation of each bone from rest to T-pose; bones not named here follow the hand or stay."""
    at = {name: heads[i] for i, name in enumerate(labels)}
    by_name: dict[str, Array] = {}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        outward = np.array([sign, 0.0, 0.0])
        raise_shoulder = _about_z(np.deg2rad(10.0) * sign)
        upper = minimal_rotation(at[f"lowerarm01.{side}"] - at[f"upperarm01.{side}"], outward)
        fore = minimal_rotation(upper @ (at[f"wrist.{side}"] - at[f"lowerarm01.{side}"]), outward) @ upper
        hand = _hand_rotation(at, side, outward)
        down = np.array([0.04 * sign, -1.0, 0.0])
        thigh = minimal_rotation(at[f"lowerleg01.{side}"] - at[f"upperleg01.{side}"], down)
        shin = minimal_rotation(thigh @ (at[f"foot.{side}"] - at[f"lowerleg01.{side}"]), down) @ thigh
        for stem, rotation in {
            "shoulder01": raise_shoulder, "upperarm01": upper, "upperarm02": upper, "lowerarm01": fore,
            "lowerarm02": fore, "wrist": hand, "upperleg01": thigh, "upperleg02": thigh, "lowerleg01": shin,
            "lowerleg02": shin, "foot": np.eye(3),
        }.items():  # fmt: skip
            by_name[f"{stem}.{side}"] = rotation
    rotations = np.tile(np.eye(3), (len(labels), 1, 1))
    for bone, (name, parent) in enumerate(zip(labels, parents, strict=True)):
        inherits = name.startswith(("finger", "metacarpal"))
        rotations[bone] = by_name.get(name, rotations[parent] if inherits else np.eye(3))
    return rotations


def _hand_rotation(at: dict[str, Array], side: str, outward: Array) -> Array:
    """Wrist-to-middle-finger onto the arm axis, pinky-to-index onto +z: a flat hand, palm down."""
    along = _unit(at[f"finger3-1.{side}"] - at[f"wrist.{side}"])
    across = at[f"finger2-1.{side}"] - at[f"finger5-1.{side}"]
    across = _unit(across - along * (across @ along))
    rest = np.stack([along, across, np.cross(along, across)], 1)
    forward = np.array([0.0, 0.0, 1.0])
    return np.stack([outward, forward, np.cross(outward, forward)], 1) @ rest.T


def minimal_rotation(source: Array, target: Array) -> Array:
    """Rotation matrix (3, 3) of least angle that turns the direction ``source`` (3,) onto ``target`` (3,)."""
    a, b = _unit(source), _unit(target)
    axis, cosine = np.cross(a, b), float(a @ b)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation: Array = np.eye(3) + cross + cross @ cross / (1 + cosine)
    return rotation


def _about_z(angle_rad: float) -> Array:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _unit(vector: Array) -> Array:
    unit: Array = vector / np.linalg.norm(vector)
    return unit
