"""Clothed people as scans, for the tests of renders."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.people import draw_person
from drpose_ray.body.smplx_body import Body
from drpose_ray.geometry.motion_row import BETAS, TRANSLATION
from drpose_ray.poses.sources import draw_pose, turn_row
from drpose_ray.scans.render.scan_item import ScanItem
from drpose_ray.scans.scan import Mesh, Scan, ScanFiles


@functools.cache
def free_body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@functools.cache
def person(seed: int) -> Scan:
    """Somebody who stands beside the world's origin, neither upright nor facing the camera."""
    body, drawn = free_body(), draw_person(free_body(), seed)
    row = turn_row(draw_pose({"moderate": 1.0}, 0, seed), 0.6)
    row[BETAS], row[TRANSLATION] = drawn.betas, (0.4, 0.1, -0.7)
    vertices, joints = body.pose(row, drawn.outfit.offsets)
    mesh = Mesh(vertices, body.faces, drawn.outfit.colors, texture=None, corner_uvs=None)
    return Scan(f"person-{seed}", "tests", "CC0-1.0", mesh, row, joints[:23])


def ball(*, textured: bool, rings: int = 40) -> Mesh:
    """A ball of radius .5 around the origin; its texture is red to the person's left, green above, and dark behind."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, 2 * rings), indexing="ij")
    points = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1).reshape(-1, 3)
    number = np.arange(len(points)).reshape(theta.shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    uv = np.stack([phi / (2 * np.pi), 1 - theta / np.pi], -1).reshape(-1, 2)
    if not textured:
        colors = (points * 0.3 + 0.5).astype(np.float32)
        return Mesh((points * 0.5).astype(np.float32), faces, colors, texture=None, corner_uvs=None)
    across, down = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(32) + 0.5) / 32)
    red, green = 0.5 + 0.4 * np.sin(2 * np.pi * across), 0.5 + 0.4 * np.cos(np.pi * down)
    blue = 0.5 + 0.4 * np.cos(2 * np.pi * across)
    texture = (np.stack([red, green, blue], -1) * 255).astype(np.uint8)
    return Mesh((points * 0.5).astype(np.float32), faces, None, texture, uv[faces].astype(np.float32))


def item(scan: Scan, frames: int = 1) -> ScanItem:
    nowhere = Path("nowhere")
    files = ScanFiles(scan.scan_id, scan.source, nowhere, None, nowhere, scan.licence)
    return ScanItem(files, np.stack([scan.motion_row] * frames), rank=0)
