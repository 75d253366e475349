"""An SMPL-X-layout body, loaded by stock ``smplx`` and posed from Motion-X rows."""

from __future__ import annotations

import contextlib
import io
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from smplx.lbs import batch_rigid_transform, batch_rodrigues, blend_shapes, vertices2joints

from drpose_ray.body.model_file import NUM_BETAS, read_model_file
from drpose_ray.core.errors import InputError
from drpose_ray.geometry.motion_row import BETAS, BODY_POSE, HAND_POSE, JAW_POSE, NUM_COLUMNS, ROOT_ORIENT, TRANSLATION


class Body:
    """Posing of one model file. Counts (vertices, faces) come from the file, never from constants.

    Attributes:
        sha256: of the model file; it goes into the manifest of whatever was made with it.
        faces: (F, 3) vertex indices, outward orientation.
        rest_vertices: (V, 3) mean shape in the T-pose, metres, y up, facing +z.
        part: (V,) the joint with the largest skinning weight, 0..54.
        hand_space: components (2, 45, 45) and mean (2, 45) of the hand poses, left then right.
    """

    def __init__(self, path: Path) -> None:
        """Raises as ``read_model_file``, which checks the file before smplx sees any of it."""
        file = read_model_file(path)
        with contextlib.redirect_stdout(io.StringIO()):  # smplx greets a 10-beta file with two warnings
            model = file.as_smplx()
        self.sha256 = file.sha256
        self.faces: NDArray[np.int64] = file.arrays["f"]
        self.num_vertices = int(model.v_template.shape[0])
        self.rest_vertices: NDArray[np.float32] = model.v_template.numpy()
        self.part: NDArray[np.int64] = model.lbs_weights.argmax(1).numpy()
        self.hand_space = (
            np.stack([file.arrays[f"hands_components{side}"] for side in "lr"]),
            np.stack([file.arrays[f"hands_mean{side}"] for side in "lr"]),
        )
        self._model = model
        # The free body has no pose correctives; skipping 486 zero columns saves most of the time of a pose.
        self._has_correctives = bool(model.posedirs.abs().max() > 0)

    @cached_property
    def rest_joints(self) -> NDArray[np.float32]:
        """(55, 3) joints of the mean shape in the T-pose."""
        return (self._model.J_regressor @ self._model.v_template).numpy()  # type: ignore[no-any-return]

    @cached_property
    def neighbour_average(self) -> sp.csr_matrix:
        """(V, V) matrix that replaces a per-vertex value by the mean over the vertex and its neighbours."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        adjacency = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(self.num_vertices,) * 2).tocsr()
        adjacency.data[:] = 1
        adjacency += sp.identity(self.num_vertices)
        return sp.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency

    @torch.no_grad()
    def pose(
        self, motion_row: NDArray[np.floating], offsets: NDArray[np.floating] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pose the body by linear blend skinning (the steps of ``smplx.lbs.lbs``).

        Args:
            motion_row: (322,) Motion-X row; root, body, hands, jaw, translation and betas are used.
            offsets: (V, 3) metres added to the rest shape after the joints were located, so that clothes
                change the surface and not the skeleton.

        Returns:
            vertices (V, 3) and joints (55, 3), float32, metres, world axes.
        """
        if motion_row.shape != (NUM_COLUMNS,):
            raise InputError(
                "pose row of the wrong size", field="motion_row", value=motion_row.shape,
                remedy=f"give ({NUM_COLUMNS},)",
            )  # fmt: skip
        model, row = self._model, torch.from_numpy(np.asarray(motion_row, np.float32))
        eyes = torch.zeros(6)
        full_pose = torch.cat([row[ROOT_ORIENT], row[BODY_POSE], row[JAW_POSE], eyes, row[HAND_POSE]])
        shaped = model.v_template + blend_shapes(row[None, BETAS], model.shapedirs[..., :NUM_BETAS])
        joints = vertices2joints(model.J_regressor, shaped)
        rotations = batch_rodrigues(full_pose.view(-1, 3)).view(1, -1, 3, 3)
        if self._has_correctives:
            feature = (rotations[:, 1:] - torch.eye(3)).view(1, -1)
            shaped = shaped + (feature @ model.posedirs).view(1, -1, 3)
        if offsets is not None:
            shaped = shaped + torch.from_numpy(np.asarray(offsets, np.float32))
        posed_joints, transforms = batch_rigid_transform(rotations, joints, model.parents)
        blended = (model.lbs_weights @ transforms.view(-1, 16)).view(-1, 4, 4)
        vertices = (blended[:, :3, :3] @ shaped[0, :, :, None])[..., 0] + blended[:, :3, 3]
        translation = row[TRANSLATION]
        return (vertices + translation).numpy(), (posed_joints[0] + translation).numpy()


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vertex normals (V, 3): face normals weighted by area, outward for outward faces."""
    corners = vertices[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack(
        [np.bincount(faces.ravel(), np.repeat(area[:, axis], 3), minlength=len(vertices)) for axis in range(3)], 1
    )
    unit: NDArray[np.float32] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32)
