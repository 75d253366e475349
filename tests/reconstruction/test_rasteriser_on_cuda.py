"""The same code on CUDA, and the same pixels from nvdiffrast where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drpose_ray.geometry.cameras import Frame
from drpose_ray.reconstruction.rasteriser import nvdiffrast_z_buffer
from drpose_ray.reconstruction.rasteriser.render import render
from drpose_ray.reconstruction.rasteriser.screen import front_facing, to_screen
from drpose_ray.reconstruction.rasteriser.z_buffer import rasterise
from tests.reconstruction.meshes import sphere

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
FRAME = Frame(np.zeros(3), 3.0)


def test_cuda_draws_what_the_cpu_draws() -> None:
    vertices, faces = sphere(24)
    ours = render(vertices, faces, vertices, FRAME, (0.0, 45.0), 96)
    theirs = render(vertices.cuda(), faces.cuda(), vertices.cuda(), FRAME, (0.0, 45.0), 96).cpu()
    assert ((ours - theirs).abs() > 1e-4).float().mean() < 1e-3


def test_nvdiffrast_shows_the_same_faces() -> None:
    pytest.importorskip("nvdiffrast")
    vertices, faces = (each.cuda() for each in sphere(24))
    screen = to_screen(vertices, FRAME, (0.0, 45.0, 180.0), 128)
    ours, theirs = (
        backend(screen, faces, front_facing(screen, faces), 128, 128)
        for backend in (rasterise, nvdiffrast_z_buffer.rasterise)
    )
    assert (ours == theirs).float().mean() > 0.995
