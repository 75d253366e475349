"""What a person in clothes costs beside a painted one: drawn, posed and seen from six sides.

    python benchmarks/dressed_people.py GARMENTS --output docs/benchmarks/dressed_people.md      # a minute, one core

``GARMENTS`` is a folder of MakeHuman's garments. CPU time of the process, medians over people; both kinds take turns in
one run, through one ray caster at 96 pixels, so that ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.garments.dressed import dress
from drpose_ray.body.garments.wardrobe import Wardrobe, read_wardrobe
from drpose_ray.body.people import draw_person
from drpose_ray.body.smplx_body import Body
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame
from drpose_ray.geometry.motion_row import BETAS
from drpose_ray.poses.sources import draw_pose
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import RaycastConfig
from drpose_ray.scans.render.raycast import RaycastRenderer
from drpose_ray.scans.scan import Mesh

PEOPLE = 24
SIZE = 96
GOAL = 3.0
MARK = "<!-- measured -->"
RENDERER = RaycastRenderer(RaycastConfig())
VIEWS = [View(azimuth) for azimuth in VIEW_AZIMUTHS_DEG]

Row = NDArray[np.float32]


def laps(steps: Sequence[Callable[[], object]]) -> list[float]:
    """CPU seconds of each of ``steps``."""
    times = []
    for step in steps:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return times


def painted(body: Body, seed: int, row: Row) -> list[float]:
    person, vertices = draw_person(body, seed), np.zeros((0, 3), np.float32)

    def pose() -> None:
        nonlocal vertices
        vertices = body.pose(row, person.outfit.offsets)[0]

    def render() -> None:
        see(Mesh(vertices, body.faces, person.outfit.colors, None, None))

    return laps([lambda: draw_person(body, seed), pose, render])


def dressed(body: Body, wardrobe: Wardrobe, seed: int, row: Row) -> list[float]:
    person, vertices = dress(wardrobe, body, row[BETAS], seed), np.zeros((0, 3), np.float32)

    def pose() -> None:
        nonlocal vertices
        vertices = person.pose(row)[0]

    def render() -> None:
        see(Mesh(vertices, person.faces, None, person.texture, person.corner_uvs))

    # The garments' texels, which everybody who wears them shares, were found when ``person`` was made.
    return laps([lambda: dress(wardrobe, body, row[BETAS], seed), pose, render])


def see(mesh: Mesh) -> None:
    RENDERER.render(mesh, Frame.around(mesh.vertices), VIEWS, SIZE)


def table(garments: Path) -> str:
    body = Body(ensure_body(BODY_CACHE))
    wardrobe = read_wardrobe(garments, body, BODY_CACHE)
    (reading,) = laps([lambda: read_wardrobe(garments, body, BODY_CACHE)])
    times: dict[str, list[list[float]]] = {"painted": [], "dressed": []}
    for seed in range(PEOPLE):
        row = draw_pose({"moderate": 1.0}, 0, seed)
        row[BETAS] = draw_person(body, seed).betas
        times["painted"].append(painted(body, seed, row))
        times["dressed"].append(dressed(body, wardrobe, seed, row))
    bare, clothed = ([1e3 * statistics.median(step) for step in zip(*rows, strict=True)] for rows in times.values())
    rows = {
        "drawn, fitted and painted": (bare[0], clothed[0]),
        "posed": (bare[1], clothed[1]),
        f"six views of {SIZE} pixels": (bare[2], clothed[2]),
        "a person seen once": (sum(bare), sum(clothed)),
        "each further pose": (sum(bare[1:]), sum(clothed[1:])),
    }
    worst = max(b / a for a, b in list(rows.values())[-2:])
    return "\n".join([
        f"{PEOPLE} people, {len(wardrobe.garments)} garments (read and checked in {reading:.1f} s), one thread.",
        "",
        "| CPU milliseconds | painted | dressed | ratio |",
        "|---|---|---|---|",
        *(f"| {name} | {a:.1f} | {b:.1f} | {b / a:.2f} |" for name, (a, b) in rows.items()),
        "",
        f"Goal: at most {GOAL:g} for a person. {'Met' if worst <= GOAL else 'NOT met'}: {worst:.2f}.",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("garments", type=Path, help="folder of .mhclo files")
    parser.add_argument("--output", type=Path, help="page whose part below the mark is replaced by the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = table(arguments.garments)
    print(text)
    if arguments.output:
        page = arguments.output.read_text().split(MARK)[0] if arguments.output.exists() else ""
        arguments.output.write_text(f"{page}{MARK}\n\n{text}\n")


if __name__ == "__main__":
    main()
