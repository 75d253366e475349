"""Posing of any vertices that hang on the free body's skeleton: linear blend skinning with sparse weights."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from smplx.lbs import batch_rigid_transform, batch_rodrigues

from drpose_ray.body.anny_export import PARENTS
from drpose_ray.core.errors import InputError
from drpose_ray.geometry.motion_row import BODY_POSE, HAND_POSE, JAW_POSE, NUM_COLUMNS, ROOT_ORIENT, TRANSLATION


@torch.no_grad()
def pose_vertices(
    rest: NDArray[np.float32], skin: sp.csr_matrix, rest_joints: NDArray[np.float32], motion_row: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose ``rest`` (N, 3) with the weights ``skin`` (N, 55) as ``Body.pose`` poses the skin.

    Args:
        rest_joints: (55, 3) of the same person in the rest pose; the betas of ``motion_row`` (322,) are not read.

    Returns:
        vertices (N, 3) and joints (55, 3), float32, metres, world axes.
    """
    if motion_row.shape != (NUM_COLUMNS,):
        raise InputError(
            "pose row of the wrong size", field="motion_row", value=motion_row.shape, remedy=f"give ({NUM_COLUMNS},)"
        )
    row = torch.from_numpy(np.asarray(motion_row, np.float32))
    full_pose = torch.cat([row[ROOT_ORIENT], row[BODY_POSE], row[JAW_POSE], torch.zeros(6), row[HAND_POSE]])
    rotations = batch_rodrigues(full_pose.view(-1, 3)).view(1, -1, 3, 3)
    joints, transforms = batch_rigid_transform(
        rotations, torch.from_numpy(rest_joints)[None], torch.tensor(PARENTS), dtype=torch.float32
    )
    blended = (skin @ transforms[0].reshape(-1, 16).numpy()).reshape(-1, 4, 4)
    translation = row[TRANSLATION].numpy()
    vertices = np.einsum("nij,nj->ni", blended[:, :3, :3], rest) + blended[:, :3, 3] + translation
    return vertices.astype(np.float32), joints[0].numpy() + translation
