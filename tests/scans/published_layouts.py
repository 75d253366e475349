"""The same twin scans in the layouts that datasets are published in, so that each reader meets real files."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.anny_uvs import ensure_uvs
from drpose_ray.body.people import draw_person
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.texture import Atlas
from drpose_ray.geometry.motion_row import BETAS
from drpose_ray.poses.sources import draw_pose
from drpose_ray.scans.twin import fit_parameters

TEXTURE_SIZE = 256


@dataclass(frozen=True)
class Person:
    """A posed person in metres, and where its scan is: ``scan = scale * person + translation``."""

    vertices: np.ndarray
    colors: np.ndarray
    row: np.ndarray
    joints: np.ndarray
    scale: float
    translation: np.ndarray

    @property
    def scanned(self) -> np.ndarray:
        return self.vertices * self.scale + self.translation


def draw(body: Body, seed: int, scale: float = 1.0, translation: tuple[float, ...] = (0, 0, 0)) -> Person:
    person = draw_person(body, seed)
    row = draw_pose({"moderate": 1.0}, 11, seed).copy()
    row[BETAS] = person.betas
    vertices, joints = body.pose(row, person.outfit.offsets)
    return Person(vertices, person.outfit.colors, row, joints[:23], scale, np.array(translation))


def write_obj(path: Path, body: Body, person: Person, image_name: str) -> None:
    """OBJ, material and image, six digits after the point as exporters write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    uvs, uv_faces = ensure_uvs(BODY_CACHE, body)
    lines = [f"mtllib {path.stem}.mtl", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in person.scanned)]
    lines += [*(f"vt {u:.6f} {v:.6f}" for u, v in uvs), "usemtl material0"]
    pairs = np.stack([body.faces, uv_faces], -1) + 1
    lines += ["f " + " ".join(f"{v}/{t}" for v, t in face) for face in pairs]
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".mtl").write_text(f"newmtl material0\nKd 1 1 1\nmap_Kd {image_name}\n")
    Image.fromarray(Atlas(uvs, uv_faces, TEXTURE_SIZE).bake(person.colors, body.faces)).save(
        path.with_name(image_name), quality=95
    )


def write_thuman(folder: Path, body: Body, person: Person, name: str, protocol: int = 4) -> None:
    """``model/0461/...`` and ``smplx/0461/smplx_param.pkl``; no ``transl``, but scale and translation."""
    write_obj(folder / "model" / name / f"{name}.obj", body, person, "material0.jpeg")
    moved = person.row[309:312] * person.scale + person.translation  # THuman keeps all of the place in one number
    fit = fit_parameters(person.row, person.scale, moved)
    del fit["transl"]
    path = folder / "smplx" / name / "smplx_param.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(fit, protocol=protocol))


def write_customhumans(folder: Path, body: Body, person: Person, name: str) -> None:
    """``mesh/<name>/mesh-f00101.obj`` and ``smplx/<name>/mesh-f00101.json``; metres, ``transl`` in the fit."""
    write_obj(folder / "mesh" / name / "mesh-f00101.obj", body, person, "mesh-f00101.png")
    fits = folder / "smplx" / name
    fits.mkdir(parents=True, exist_ok=True)
    (fits / "mesh-f00101_smpl.obj").write_text("v 0 0 0\n")
    (fits / "mesh-f00101.json").write_text(json.dumps(as_lists(person.row)))


def write_2k2k(folder: Path, body: Body, person: Person, name: str) -> None:
    """``train/00003/00003.ply`` with colours at the vertices, ``smplx/00003.json``."""
    path = folder / "train" / name / f"{name}.ply"
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh = trimesh.Trimesh(
        person.scanned, body.faces, vertex_colors=(person.colors * 255).round().astype(np.uint8), process=False
    )
    path.write_bytes(mesh.export(file_type="ply"))
    (folder / "smplx").mkdir(exist_ok=True)
    (folder / "smplx" / f"{name}.json").write_text(json.dumps(as_lists(person.row)))


def as_lists(row: np.ndarray) -> dict[str, Any]:
    fit = fit_parameters(row, 1.0, np.zeros(3))
    return {key: value[0].tolist() for key, value in fit.items() if key not in {"scale", "translation"}}
