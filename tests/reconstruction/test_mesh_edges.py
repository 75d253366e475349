from __future__ import annotations

import torch

from drpose_ray.reconstruction.mesh_edges import edges_of
from tests.reconstruction.meshes import cube, soup, sphere


def test_a_closed_mesh_has_eulers_count_of_edges_and_two_opposite_sides_on_each() -> None:
    for vertices, faces in (cube(), sphere(7)):
        edges = edges_of(faces, len(vertices))
        assert len(vertices) - len(edges.ends) + len(faces) == 2
        ones = torch.ones(1, len(edges.side_face), dtype=torch.int64)
        assert (edges.sum_over_sides(ones) == 2).all()
        assert (edges.sum_over_sides(edges.side_sign[None]) == 0).all()


def test_sides_are_those_of_their_faces() -> None:
    _, faces = soup(3, size=1.0)
    edges = edges_of(faces, 18)
    edge = torch.repeat_interleave(torch.diff(edges.last, prepend=torch.tensor([-1])))
    found = {
        (face, *(pair if sign > 0 else pair[::-1]))
        for face, sign, pair in zip(
            edges.side_face.tolist(), edges.side_sign.tolist(), edges.ends[edge].tolist(), strict=True
        )
    }
    assert found == {(n, int(f[i]), int(f[i - 2])) for n, f in enumerate(faces) for i in range(3)}


def test_vertices_by_the_million_have_keys_that_fit() -> None:
    faces = torch.tensor([[0, 2_999_999_998, 2_999_999_999]])
    assert edges_of(faces, 3_000_000_000).ends.tolist()[-1] == [2_999_999_998, 2_999_999_999]
