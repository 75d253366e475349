"""Six differentiable views of a body, drawn and gone back through, against Embree that builds its tree and casts.

    python benchmarks/rasteriser.py --output docs/benchmarks/rasteriser.md     # two minutes

Carving moves every vertex in every step, so that Embree would have to build its tree again each time. Both see the same
body in the same six views. CPU seconds of one thread, the best of several runs, taken in turns.
"""

from __future__ import annotations

import platform

import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from measure import peak_bytes, seconds
from numpy.typing import NDArray
from page import hand_in

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body, vertex_normals
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame, world_to_cam
from drpose_ray.poses.sources import draw_pose
from drpose_ray.reconstruction.mesh_edges import edges_of
from drpose_ray.reconstruction.rasteriser.render import render
from drpose_ray.reconstruction.rasteriser.screen import front_facing, to_screen
from drpose_ray.reconstruction.rasteriser.z_buffer import rasterise

RUNS = 7
CPU = torch.device("cpu")


class Subject:
    """A dancing body, its faces seen by both in the frame around it."""

    def __init__(self) -> None:
        body = Body(ensure_body(BODY_CACHE))
        vertices, _ = body.pose(draw_pose({"dance": 1.0}, 7, 8))
        self.frame = Frame.around(vertices)
        self.vertices = torch.from_numpy(vertices).requires_grad_()
        self.faces = torch.from_numpy(body.faces)
        self.normals = torch.from_numpy(vertex_normals(vertices, body.faces)).requires_grad_()
        self.edges = edges_of(self.faces, len(vertices))  # known beforehand, as carving knows them from its own step

    def render(self, size: int) -> torch.Tensor:
        args = (self.vertices, self.faces, self.normals, self.frame, VIEW_AZIMUTHS_DEG, size, self.edges)
        return render(*args)

    def faces_shown(self, size: int) -> NDArray[np.int64]:
        screen = to_screen(self.vertices, self.frame, VIEW_AZIMUTHS_DEG, size)
        return rasterise(screen, self.faces, front_facing(screen, self.faces), size, size).numpy()


def rays(size: int) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Origins and directions through the pixel centres of each view, in frame units."""
    across = (np.arange(size) + 0.5) / size - 0.5
    every = []
    for azimuth in VIEW_AZIMUTHS_DEG:
        right, up, towards = world_to_cam(azimuth)
        origins = (across[None, :, None] * right - across[:, None, None] * up + 2 * towards).reshape(-1, 3)
        every.append((origins.astype(np.float32), np.tile(-towards.astype(np.float32), (size * size, 1))))
    return every


def build(subject: Subject) -> EmbreeScene:
    scene = EmbreeScene()
    local = (subject.vertices.detach().numpy() - subject.frame.center_world) / subject.frame.width_m
    TriangleMesh(scene, local.astype(np.float32)[subject.faces.numpy()])
    return scene


def cast(scene: EmbreeScene, through: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> NDArray[np.int64]:
    return np.stack([scene.run(origins, directions) for origins, directions in through])


def row(subject: Subject, size: int) -> str:
    through = rays(size)
    weights = torch.rand(6, size, size, 4)
    times: dict[str, list[float]] = {name: [] for name in ("both", "forward", "find", "embree", "one")}

    def there_and_back() -> None:
        torch.autograd.backward(subject.render(size), weights)

    def embree() -> None:
        cast(build(subject), through)

    work = {
        "both": there_and_back,
        "forward": lambda: subject.render(size),
        "find": lambda: subject.faces_shown(size),
        "embree": embree,
        "one": lambda: cast(build(subject), through[:1]),
    }
    for _ in range(RUNS):
        for name, each in work.items():
            times[name].append(1000 * seconds(each, CPU))
    best = {name: min(each) for name, each in times.items()}
    hit, shown = cast(build(subject), through).reshape(6, size, size), subject.faces_shown(size)
    covered = (hit >= 0) & (shown >= 0)
    return (
        f"| {size} | **{best['both']:.0f}** | {best['forward']:.0f} | {best['find']:.0f} | {best['embree']:.0f} "
        f"| **{best['both'] / best['embree']:.2f}** | {best['both'] / 6 / best['one']:.2f} "
        f"| {int((shown >= 0).sum())} ({int(((shown >= 0) != (hit >= 0)).sum())} differ, "
        f"{100 * (shown == hit)[covered].mean():.2f} % the same face) "
        f"| {peak_bytes(there_and_back, CPU) / 1e6:.0f} |"
    )


def table() -> str:
    torch.set_num_threads(1)
    subject = Subject()
    lines = [
        f"{len(subject.faces):,} faces, 6 views; normals and mask, 4 channels. Milliseconds.",
        "",
        "| px | forward, backward | forward | faces only | Embree | ratio (goal 1.0) | of one view | covered | MB |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row(subject, size) for size in (256, 512)),
        "",
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()} CPU, 1 thread",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    hand_in(__doc__, table, "measured")
