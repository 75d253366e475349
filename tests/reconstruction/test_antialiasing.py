"""Pictures and their gradients: against the plain form, closed forms, and small steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from drpose_ray.geometry.cameras import Frame
from drpose_ray.reconstruction.mesh_edges import edges_of
from drpose_ray.reconstruction.rasteriser.antialiasing import antialias
from drpose_ray.reconstruction.rasteriser.interpolation import interpolate
from drpose_ray.reconstruction.rasteriser.plain import antialias_plain, interpolate_plain
from drpose_ray.reconstruction.rasteriser.render import render
from drpose_ray.reconstruction.rasteriser.screen import front_facing, to_screen
from drpose_ray.reconstruction.rasteriser.z_buffer import rasterise
from tests.reconstruction.meshes import cube, soup, sphere

FRAME = Frame(np.zeros(3), 3.0)


def turned(mesh: tuple[Tensor, Tensor], seed: int = 0) -> tuple[Tensor, Tensor]:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)))[0]
    return mesh[0] @ (turn * torch.det(turn)), mesh[1]


@pytest.mark.parametrize("mesh", [turned(cube(1.3)), turned(cube(0.9), 3), sphere(5, 1.2)])
def test_values_and_gradients_of_closed_meshes_are_those_of_the_plain_form(mesh: tuple[Tensor, Tensor]) -> None:
    compare_with_plain(to_screen(mesh[0], FRAME, [20.0], 16)[0], mesh[1])


@pytest.mark.parametrize("seed", range(4))
def test_values_and_gradients_of_open_crossing_faces_are_those_of_the_plain_form(seed: int) -> None:
    compare_with_plain(*soup(seed, size=14))


def compare_with_plain(screen: Tensor, faces: Tensor) -> None:
    random = torch.Generator().manual_seed(1)
    attributes = torch.rand(len(screen), 2, generator=random).requires_grad_()
    screen = screen.clone().requires_grad_()
    facing = front_facing(screen[None], faces)
    shown = rasterise(screen[None], faces, facing, 15, 17)
    pixel, values = interpolate(shown, screen[None], faces, attributes)
    image = antialias(pixel, values, shown, screen[None], faces, facing, edges_of(faces, len(screen)))
    plain_flat = interpolate_plain(shown[0], screen, faces, attributes)
    plain = antialias_plain(plain_flat, shown[0], screen, faces)
    torch.testing.assert_close(values, plain_flat.flatten(0, 1)[pixel], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(image[0], plain, atol=1e-5, rtol=1e-4)
    assert not torch.equal(image[0], plain_flat)
    weights = torch.rand(image[0].shape, generator=random)
    ours, theirs = (torch.autograd.grad((each * weights).sum(), [screen, attributes]) for each in (image[0], plain))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("size", "tolerance"), [(64, 0.03), (256, 0.02)])
def test_the_mask_of_a_growing_sphere_grows_as_its_disc(size: int, tolerance: float) -> None:
    vertices, faces = sphere(36)
    radius = torch.tensor(1.0, requires_grad=True)
    image = render(vertices * radius, faces, vertices, FRAME, (0.0, 40.0), size)
    area = image[..., -1].sum((1, 2)) * (FRAME.width_m / size) ** 2
    torch.testing.assert_close(area, torch.full((2,), torch.pi), rtol=0.004, atol=0)
    for view in area:
        (growth,) = torch.autograd.grad(view, radius, retain_graph=True)
        assert float(growth) == pytest.approx(2 * np.pi, rel=tolerance)


def test_the_mask_of_a_growing_square_grows_with_its_sides() -> None:
    vertices, faces = cube()
    for start in (1.0, 1.03, 1.11):
        side = torch.tensor(start, requires_grad=True)
        image = render(vertices * side, faces, vertices, FRAME, (0.0,), 64)
        area = image[..., -1].sum() * (FRAME.width_m / 64) ** 2
        (growth,) = torch.autograd.grad(area, side)
        assert float(area.detach()) == pytest.approx(start**2, abs=0.003), "corners are cut across"
        assert float(growth) == pytest.approx(2 * start, rel=0.07)


def test_a_square_over_another_fades_into_it_by_its_exact_share() -> None:
    # the near square ends .3 pixels beyond the centre of column 6, so column 6 has .2 of the far one
    far = torch.tensor([[1.0, 1, 0], [11, 1, 0], [11, 11, 0], [1, 11, 0]])
    near = torch.tensor([[2.0, 3, 5], [6.8, 3, 5], [6.8, 9, 5], [2, 9, 5]])
    square = torch.tensor([[0, 2, 1], [0, 3, 2]])
    screen, faces = torch.cat([far, near])[None], torch.cat([square, square + 4])
    facing = front_facing(screen, faces)
    shown = rasterise(screen, faces, facing, 12, 12)
    pixel, values = interpolate(shown, screen, faces, torch.tensor([0.0] * 4 + [1.0] * 4)[:, None])
    image = antialias(pixel, values, shown, screen, faces, facing, edges_of(faces, 8))[0, 6, :, 0]
    torch.testing.assert_close(image[5:8], torch.tensor([1.0, 0.8, 0.0]))


def test_colours_follow_small_steps() -> None:
    vertices, faces = turned(sphere(6, 1.3))
    colors = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(4))
    screen = to_screen(vertices, FRAME, (0.0, 130.0), 24).requires_grad_()
    shown = rasterise(
        screen, faces, front_facing(screen, faces), 24, 24
    )  # who is seen stays as it is: this gradient is theirs
    weights = torch.rand(int((shown >= 0).sum()), 3, generator=torch.Generator().manual_seed(5))
    step = torch.randn(screen.shape, generator=torch.Generator().manual_seed(6)) * 1e-3

    def loss(screen: Tensor, colors: Tensor) -> Tensor:
        return (interpolate(shown, screen, faces, colors)[1] * weights).double().sum()

    colors.requires_grad_()
    by_screen, by_colors = torch.autograd.grad(loss(screen, colors), [screen, colors])
    with torch.no_grad():
        measured = loss(screen + step, colors) - loss(screen - step, colors)
        assert float((by_screen * step).sum() * 2) == pytest.approx(float(measured), rel=0.01)
        measured = loss(screen, colors + 0.1) - loss(screen, colors - 0.1)
        assert float(by_colors.sum() * 0.2) == pytest.approx(float(measured), rel=0.001)


def test_the_mask_follows_small_steps_of_the_mesh() -> None:
    vertices, faces = turned(sphere(10, 0.9))
    target = render(vertices + 0.15, faces, vertices, FRAME, (0.0, 90.0), 96)[..., -1]

    def loss(shift: Tensor) -> Tensor:
        moved = vertices + torch.stack([shift, -0.5 * shift, 0.3 * shift])
        return (render(moved, faces, vertices, FRAME, (0.0, 90.0), 96)[..., -1] - target).square().mean()

    shift = torch.tensor(0.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(shift), shift)
    with torch.no_grad():
        measured = (loss(torch.tensor(0.02)) - loss(torch.tensor(-0.02))) / 0.04
    assert float(gradient) == pytest.approx(float(measured), rel=0.05)
    assert abs(float(measured)) > 1e-3
