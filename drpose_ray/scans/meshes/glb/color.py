"""What colours the parts of a GLB: base-colour image times factor times colours at vertices, all three in linear light
(glTF 2.0, 3.9.2 and 3.7.2.1).

What one image or one colour per vertex cannot hold is refused by name: parts whose factors differ on one image, colours
at vertices that vary over an image, transparency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.scans.meshes.glb.container import BrokenGlbError, Container
from drpose_ray.scans.meshes.srgb import linear_to_srgb, srgb_to_linear

_PER_VERTEX = "COLOR_0"


@dataclass(frozen=True)
class Surface:
    """The colour of one part, in linear light."""

    image: int | None
    factor: NDArray[np.float64]  # (4,)
    vertices: NDArray[np.float64] | None  # (V, 4); those of COLOR_0, opaque if it has three
    opaque: bool
    """Whether transparency says nothing, as in most materials."""
    stated: bool
    """Whether the file says anything of this colour; glTF's white for all else is no colour of a scan."""


def read_surface(glb: Container, primitive: dict[str, Any]) -> Surface:
    """Of one part, whose ``COLOR_0`` has as many elements as it has vertices (not checked here)."""
    material = glb.item("materials", primitive["material"]) if "material" in primitive else {}
    if "KHR_materials_pbrSpecularGlossiness" in material.get("extensions", {}):
        raise BrokenGlbError("KHR_materials_pbrSpecularGlossiness: export it with metallic-roughness materials")
    base = material.get("pbrMetallicRoughness", {})
    vertices = None
    if _PER_VERTEX in primitive["attributes"]:
        vertices = glb.values(primitive["attributes"][_PER_VERTEX]).astype(np.float64)
        if vertices.shape[1] not in {3, 4}:
            raise BrokenGlbError(f"colours of {vertices.shape[1]} numbers")
        vertices = np.concatenate([vertices, np.ones((len(vertices), 1))], 1)[:, :4]
    surface = Surface(
        _image(glb, base.get("baseColorTexture")),
        _factor(base.get("baseColorFactor", [1, 1, 1, 1])),
        vertices,
        material.get("alphaMode", "OPAQUE") == "OPAQUE",
        "baseColorFactor" in base or vertices is not None,
    )
    seen_through = surface.factor[3] < 1 or (vertices is not None and bool((vertices[:, 3] < 1).any()))
    if seen_through and not surface.opaque:
        raise BrokenGlbError(f"transparent parts (alphaMode {material['alphaMode']})")
    return surface


def vertex_colors(surface: Surface, num_vertices: int) -> NDArray[np.float32]:
    """(V, 3) sRGB of a part without an image; what is not in [0, 1] is found by the checks."""
    light = np.ones((num_vertices, 4)) if surface.vertices is None else surface.vertices
    return linear_to_srgb((light * surface.factor)[:, :3])


def image_factor(surfaces: Sequence[Surface]) -> NDArray[np.float64]:
    """(3,) what the one image of these parts is multiplied with."""
    factors = [surface.factor if surface.vertices is None else _constant(surface) for surface in surfaces]
    if any(not np.allclose(factor[:3], factors[0][:3], rtol=0, atol=1e-6) for factor in factors):
        raise BrokenGlbError("parts of one image with different baseColorFactors: bake them into it")
    return factors[0][:3]


def _constant(surface: Surface) -> NDArray[np.float64]:
    assert surface.vertices is not None
    light = surface.vertices[:, :3]
    if not ((light >= 0) & (light <= 1)).all() or np.ptp(light, axis=0).max() > 1 / 255:
        raise BrokenGlbError("an image and colours at the vertices that vary or are no fractions: bake them into it")
    factor: NDArray[np.float64] = surface.factor * surface.vertices[0]
    return factor


def multiplied(image: NDArray[np.uint8], factor: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(h, w, 3) sRGB pixels times ``factor`` (3,) in linear light."""
    if (factor == 1).all():
        return image
    light = srgb_to_linear(np.arange(256) / 255)[:, None] * factor  # (256, 3): what becomes of each value
    table = np.rint(linear_to_srgb(light.clip(0, 1)) * 255).astype(np.uint8)
    return np.stack([table[image[..., channel], channel] for channel in range(3)], -1)


def _factor(stored: Any) -> NDArray[np.float64]:
    factor = np.array(stored, np.float64)
    if factor.shape != (4,) or not ((factor >= 0) & (factor <= 1)).all():
        raise BrokenGlbError(f"a baseColorFactor of {str(stored)[:60]}, not four numbers in [0, 1]")
    return factor


def _image(glb: Container, reference: dict[str, Any] | None) -> int | None:
    """The number of the image that ``baseColorTexture`` names."""
    if reference is None:
        return None
    if reference.get("texCoord", 0) != 0 or "extensions" in reference:
        raise BrokenGlbError("transformed (KHR_texture_transform) or second texture coordinates: bake them into one")
    texture = glb.item("textures", reference["index"])
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    if "source" not in texture and "source" not in webp:
        raise BrokenGlbError(f"a texture without PNG, JPEG or WebP ({', '.join(texture.get('extensions', {}))})")
    return int(webp.get("source", texture.get("source")))
