"""Which face a pixel shows: against the plain form and against rays; and meshes that nobody should have made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.finetune.memory.memory import LiveBytes
from drpose_ray.geometry.cameras import Frame
from drpose_ray.reconstruction.rasteriser.pieces import in_pieces
from drpose_ray.reconstruction.rasteriser.plain import rasterise_plain
from drpose_ray.reconstruction.rasteriser.render import render
from drpose_ray.reconstruction.rasteriser.screen import front_facing, to_screen
from drpose_ray.reconstruction.rasteriser.z_buffer import NO_FACE, rasterise
from tests.body.rays import faces_hit
from tests.reconstruction.meshes import cube, soup, sphere

FRAME = Frame(np.zeros(3), 3.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_faces_as_the_plain_form_shows(seed: int) -> None:
    screens, faces = zip(*(soup(seed + view, size=10) for view in (0, 100)), strict=True)
    shown = shown_faces(torch.stack(screens), faces[0], 9, 11)
    assert (shown != NO_FACE).float().mean() > 0.3
    for one, screen in zip(shown, screens, strict=True):
        assert torch.equal(one, rasterise_plain(screen, faces[0], 9, 11))


def test_centres_on_edges_and_faces_at_one_depth_are_decided_alike() -> None:
    # a square of two faces whose corners and diagonal meet pixel centres, twice at the same depth
    corners = torch.tensor([[0.5, 0.5, 0], [4.5, 0.5, 0], [4.5, 4.5, 0], [0.5, 4.5, 0]])
    faces = torch.tensor([[0, 2, 1], [0, 3, 2], [0, 2, 1], [0, 3, 2]])
    shown = shown_faces(corners[None], faces, 6, 6)
    assert torch.equal(shown[0], rasterise_plain(corners, faces, 6, 6))
    assert (shown[0, :5, :5] < 2).all() and (shown[0, :5, :5] != NO_FACE).all()
    assert (shown[0, 5] == NO_FACE).all()


@pytest.mark.parametrize(("azimuth_deg", "size", "zoom"), [(0.0, 96, 1.0), (70.0, 61, 1.0), (215.0, 96, 0.4)])
def test_faces_are_those_that_rays_through_the_pixel_centres_hit(
    body: Body, motionx_rows: np.ndarray, azimuth_deg: float, size: int, zoom: float
) -> None:
    vertices, _ = body.pose(motionx_rows[7])
    around = Frame.around(vertices)
    frame = Frame(around.center_world + 0.03, around.width_m * zoom)  # zoomed in, the body leaves the picture
    hit = faces_hit(vertices, body.faces, frame, azimuth_deg, size)
    screen = to_screen(torch.from_numpy(vertices), frame, [azimuth_deg], size)
    shown = shown_faces(screen, torch.from_numpy(body.faces), size, size)[0].numpy()
    assert 0.03 < (shown >= 0).mean() < 0.6
    assert ((shown >= 0) != (hit >= 0)).sum() <= 2, "rounding may decide a centre that lies on an edge"
    both = (shown >= 0) & (hit >= 0)
    assert (shown == hit)[both].mean() > 0.995


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_pieces_are_the_whole_in_order(counts: list[int], most: int) -> None:
    pieces = list(in_pieces(torch.tensor(counts, dtype=torch.int64), most))
    rows = [row for things, nth in pieces for row in zip(things.tolist(), nth.tolist(), strict=True)]
    assert rows == [(thing, nth) for thing, count in enumerate(counts) for nth in range(count)]
    assert all(len(things) < most + 9 for things, _ in pieces)


def test_memory_is_bounded_however_much_is_covered() -> None:
    screen = torch.tensor([[[-400.0, -400, 0], [1200, -400, 0], [-400, 1200, 0]]])
    with LiveBytes() as counted:
        shown = shown_faces(screen, torch.tensor([[0, 2, 1]]).repeat(12, 1), 256, 256)  # 800,000 fragments
    assert (shown == 0).all()
    assert counted.peak < 40e6


class TestHostile:
    def test_a_vertex_that_is_nowhere_is_named(self) -> None:
        vertices, faces = cube()
        vertices[5, 1] = float("nan")
        with pytest.raises(InputError) as refused:
            draw(vertices, faces)
        assert refused.value.field == "vertex 5"

    @pytest.mark.parametrize("index", [8, -1])
    def test_a_face_of_no_vertex_is_named(self, index: int) -> None:
        vertices, faces = cube()
        faces[3, 1] = index
        with pytest.raises(InputError) as refused:
            draw(vertices, faces)
        assert refused.value.value == faces[3].tolist()

    @pytest.mark.parametrize("num_vertices", [0, 4])
    def test_a_mesh_without_faces_is_an_empty_picture(self, num_vertices: int) -> None:
        assert_empty(draw(torch.zeros(num_vertices, 3), torch.zeros(0, 3, dtype=torch.int64)))

    def test_a_mesh_beside_the_frame_is_an_empty_picture(self) -> None:
        vertices, faces = sphere(8)
        assert_empty(draw(vertices + torch.tensor([0.0, 40.0, 0.0]), faces))
        assert_empty(draw(vertices * 1e30 + 1e33, faces))

    def test_a_mesh_far_larger_than_the_frame_fills_it(self) -> None:
        vertices, faces = cube(1e6)
        image = draw(vertices, faces)
        torch.testing.assert_close(image[..., -1], torch.ones(2, 16, 16))

    def test_faces_without_area_show_nothing_and_move_nothing(self) -> None:
        vertices, faces = cube()
        flat = torch.tensor([[0, 0, 7], [3, 3, 3], [1, 8, 7]])  # the last runs along a line
        more = torch.cat([vertices, (vertices[1:2] + vertices[7:8]) / 2])
        assert torch.equal(draw(vertices, faces), draw(more, torch.cat([faces, flat])))

    def test_gradients_are_finite_whatever_is_drawn(self) -> None:
        for seed in range(5):
            screen, faces = soup(seed, size=3)  # slivers, edges through pixel centres
            vertices = ((screen - 1.5).round(decimals=1)).requires_grad_()
            image = render(vertices, faces, vertices, FRAME, (0.0, 90.0), 8)
            (gradient,) = torch.autograd.grad(image.square().sum(), vertices)
            assert gradient.isfinite().all()


def shown_faces(screen: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    return rasterise(screen, faces, front_facing(screen, faces), height, width)


def draw(vertices: Tensor, faces: Tensor) -> Tensor:
    return render(vertices, faces, vertices, FRAME, (0.0, 60.0), 16)


def assert_empty(image: Tensor) -> None:
    assert image.shape == (2, 16, 16, 4)
    assert (image == 0).all()
