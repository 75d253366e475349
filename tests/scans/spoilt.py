"""Ways to break a good scan, and what a refusal has to name."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.meshes.glb.write import write_glb
from drpose_ray.scans.scan import ScanFiles


def refusal(files: ScanFiles, body: Body, checks: ScanChecks | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        load_scan(files, body, checks)
    error = caught.value
    assert error.file in {files.mesh, files.fit, files.texture} and error.field and error.remedy
    return error


def rewrite(
    files: ScanFiles, body: Body, change: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[object, ...]]
) -> None:
    """The scan's GLB again, after ``change`` of its vertices (V, 3), faces (F, 3) and texture coordinates (U, 2)."""
    scan = load_scan(files, body)
    assert scan.mesh.corner_uvs is not None and scan.mesh.texture is not None
    image = io.BytesIO()
    Image.fromarray(scan.mesh.texture).save(image, "PNG")
    uvs = scan.mesh.corner_uvs.reshape(-1, 2).astype(float)
    vertices, faces, uvs = change(scan.mesh.vertices.copy(), scan.mesh.faces.copy(), uvs)
    uv_faces = np.arange(len(uvs)).reshape(-1, 3)[: len(faces)]
    files.mesh.write_bytes(write_glb(vertices, faces, uvs, uv_faces, image.getvalue()))


def spoil_fit(files: ScanFiles, **changes: np.ndarray | None) -> None:
    fields = {**np.load(files.fit), **changes}
    np.savez(files.fit, **{name: value for name, value in fields.items() if value is not None})


def glb_with(files: ScanFiles, change: Callable[[dict[str, object]], None]) -> bytes:
    data = files.mesh.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    content = json.loads(data[20 : 20 + length])
    change(content)
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    rest = struct.pack("<II", len(text), 0x4E4F534A) + text + data[20 + length :]
    return struct.pack("<4sII", b"glTF", 2, 12 + len(rest)) + rest
