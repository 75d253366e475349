"""Small fits and meshes of every kind, and random damage to their bytes."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
from numpy.random import Generator
from PIL import Image

from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.scans.meshes.glb.write import write_glb

_WORDS = (b"nan", b"-1", b"1e999", b"99999999999999999999", b"null", b"[", b"{}", b"\x00", b"\xff", b" ", b"\n", b"/")


def fits() -> dict[str, bytes]:
    """Suffix -> a fit that is read; no place in it, so that the body is posed to find one."""
    fit = {
        "body_pose": np.zeros((1, 63), np.float32), "betas": np.zeros((1, 10), np.float32),
        "left_hand_pose": np.zeros((1, 45), np.float32), "scale": np.ones(1), "global_orient": np.zeros(3),
    }  # fmt: skip
    stored, packed = io.BytesIO(), io.BytesIO()
    np.savez(stored, **fit)
    np.savez_compressed(packed, **{name: value + 0.1 for name, value in fit.items()})
    return {
        "stored.npz": stored.getvalue(), "packed.npz": packed.getvalue(),
        "text.pkl": pickle.dumps(fit, 0), "binary.pkl": pickle.dumps(fit, 4),
        "fit.json": json.dumps({name: value.ravel().tolist() for name, value in fit.items()}).encode(),
    }  # fmt: skip


def meshes() -> dict[str, bytes]:
    """Name -> a mesh of six faces that is read; ``image.jpg`` and ``image.webp`` are textures of the OBJ."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 4], [1, 2, 5], [2, 3, 5], [3, 0, 4]])
    uvs = vertices[:, :2] * 0.8 + 0.1
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    obj = ["mtllib a.mtl", *(f"v {x} {y} {z}" for x, y, z in vertices), *(f"vt {u} {v}" for u, v in uvs)]
    obj += ["f " + " ".join(f"{k + 1}/{k + 1}" for k in face) for face in faces] + [
        "f 1/1 2/2 3/3 4/4",
        "f -1/-1 1/1 2/2",
    ]
    types = {"x": "float", "y": "float", "z": "float", "red": "uchar", "green": "uchar", "blue": "uchar"}
    properties = "".join(f"property {kind} {name}\n" for name, kind in types.items())
    elements = f"element vertex 6\n{properties}element face 6\nproperty list uchar int vertex_indices\nend_header\n"
    rows = [f"{x} {y} {z} 9 99 200" for x, y, z in vertices] + [f"3 {a} {b} {c}" for a, b, c in faces]
    colored = np.zeros(6, [(name, "<f4" if kind == "float" else "u1") for name, kind in types.items()])
    colored["x"], colored["y"], colored["z"] = vertices.T
    cut = np.zeros(6, [("n", "u1"), ("k", "<i4", 3)])
    cut["n"], cut["k"] = 3, faces
    return {
        "a.obj": "\n".join(obj).encode(),
        "a.mtl": b"newmtl a\nKd 1 1 1\nmap_Kd -bm 1 image.png\n",
        "image.png": encode_png(picture), "image.jpg": _encoded(picture, "JPEG"),
        "image.webp": _encoded(picture, "WEBP"),
        "text.ply": f"ply\nformat ascii 1.0\n{elements}".encode() + "\n".join(rows).encode() + b"\n",
        "binary.ply": f"ply\nformat binary_little_endian 1.0\n{elements}".encode() + colored.tobytes() + cut.tobytes(),
        "a.glb": write_glb(vertices, faces, uvs, faces, encode_png(picture)),
    }  # fmt: skip


def mutated(data: bytes, rng: Generator) -> bytes:
    """``data`` with one to three places changed: a bit, a byte, a number, a piece cut out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(changed) + 1))
        length = int(rng.integers(1, 9))
        piece = bytes(changed[place : place + length])
        kind = int(rng.integers(8))
        if kind <= 1 and place < len(changed):
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            changed[place : place + 1] = rng.bytes(1)
        elif kind == 3:
            changed[place : place + length] = b""
        elif kind == 4:
            changed[place:place] = piece * int(rng.integers(1, 4))
        elif kind == 5:
            changed[place : place + length] = _WORDS[int(rng.integers(len(_WORDS)))]
        elif kind == 6:
            other = int(rng.integers(len(changed) + 1))
            changed[other : other + length] = piece
        elif kind == 7 and rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def _encoded(picture: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind)
    return stream.getvalue()
