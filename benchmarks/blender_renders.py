"""What a scan costs in Blender at equal image quality: the published settings against ours, in one run.

    OMP_NUM_THREADS=1 python benchmarks/blender_renders.py quality
    OMP_NUM_THREADS=1 python benchmarks/blender_renders.py memory --scans 200

``quality``: textured twin scans, six views each. Costs are CPU-seconds of the Blender process, one thread, and of this
one for what it does with the pictures (meshes out, EXR files in, 8-bit images), in every line alike. The published way
has a process for each scan, whose start counts; its second file, as it keeps normals apart from colours, does not.
Quality is against 2,048 samples of the same shading: PSNR of the 8-bit colours where the reference shows the person,
and the mean angle between the 8-bit normals where both cover at least half of the pixel. ``memory``: resident memory of
an actor and its Blender over many scans with textures.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.tailor import Painter
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame
from drpose_ray.scans.config import ScansConfig, ScanSource, TwinConfig
from drpose_ray.scans.load import load_scan
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import PUBLISHED, BlenderConfig, RaycastConfig, RendersConfig
from drpose_ray.scans.render.images import color_images, normal_image
from drpose_ray.scans.render.loader import ScanLoader
from drpose_ray.scans.render.raycast import RaycastRenderer
from drpose_ray.scans.render.renderer import ScanRenderer
from drpose_ray.scans.render.scan_item import scan_item
from drpose_ray.scans.render.scan_renders import ScanRenders
from drpose_ray.scans.scan import Mesh
from drpose_ray.scans.sources import list_scans
from drpose_ray.scans.twin import write_twins

RIG = tuple(View(azimuth) for azimuth in VIEW_AZIMUTHS_DEG)
JUDGED = (0, 3)  # front and back: references are slow
TICK = os.sysconf("SC_CLK_TCK")
TRACED = BlenderConfig(shading="traced", lights=PUBLISHED.lights)

Pictures = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]


def twin_meshes(num: int) -> list[Mesh]:
    with tempfile.TemporaryDirectory() as folder:
        body = Body(ensure_body(BODY_CACHE))
        write_twins(Path(folder), Painter(body), TwinConfig(num=num), [], lambda _: None)
        return [load_scan(files, body).mesh for files in list_scans([ScanSource(folder=Path(folder))])]


class Meter:
    """CPU seconds of this process and of its Blender."""

    def __init__(self, renderer: ScanRenderer) -> None:
        self._pid = renderer.pid if isinstance(renderer, BlenderRenderer) else None
        self._ours, self._theirs = time.process_time(), _cpu_of(self._pid)

    def read(self, renderer: ScanRenderer) -> float:
        pid = renderer.pid if isinstance(renderer, BlenderRenderer) else None
        before = self._theirs if pid == self._pid else 0.0  # a new process: its start counts
        return time.process_time() - self._ours + _cpu_of(pid) - before


def _cpu_of(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def draw(renderer: ScanRenderer, mesh: Mesh, size: int) -> list[Pictures]:
    views = renderer.render(mesh, Frame.around(mesh.vertices), RIG, size)
    colors = color_images(views.color, views.alpha)[0]
    normals = normal_image(views.normal_world, views.alpha, 0)
    return [(colors[v].astype(float), normals[v].astype(float), views.alpha[v]) for v in range(len(RIG))]


def measure(renderer: ScanRenderer, meshes: list[Mesh], size: int, *, afresh: bool) -> tuple[float, list[Pictures]]:
    """CPU-seconds per scan and the judged pictures; ``afresh``: a process for each scan, its start included.

    Of each scan the cheaper of two renders counts: neighbours on the machine cost CPU time too.
    """
    spent, pictures = [], []
    if not afresh:
        draw(renderer, meshes[0], 16)
    for mesh in meshes:
        costs = []
        for _ in range(2):
            if afresh:
                renderer.close()
            meter = Meter(renderer)
            drawn = draw(renderer, mesh, size)
            costs.append(meter.read(renderer))
        spent.append(min(costs))
        pictures += [drawn[view] for view in JUDGED]
    renderer.close()
    return float(np.mean(spent)), pictures


def reference(config: BlenderConfig, meshes: list[Mesh], size: int) -> list[Pictures]:
    slow = {"samples": 2048, "denoise": False, "threads": os.cpu_count() or 1, "timeout_s": 7200.0}
    renderer, pictures = BlenderRenderer(config.model_copy(update=slow)), []
    for mesh in meshes:
        views = renderer.render(mesh, Frame.around(mesh.vertices), [RIG[v] for v in JUDGED], size)
        colors = color_images(views.color, views.alpha)[0].astype(float)
        normals = normal_image(views.normal_world, views.alpha, 0).astype(float)
        pictures += list(zip(colors, normals, views.alpha, strict=True))
    renderer.close()
    return pictures


def judge(pictures: list[Pictures], references: list[Pictures]) -> tuple[float, float]:
    """PSNR (dB) and mean angle (degrees), means over pictures."""
    psnr, angle = [], []
    for (color, normal, alpha), (true_color, true_normal, true_alpha) in zip(pictures, references, strict=True):
        apart = (color - true_color)[true_alpha > 0]
        psnr.append(10 * np.log10(255**2 / max(float((apart**2).mean()), 1e-9)))
        inside = (alpha >= 0.5) & (true_alpha >= 0.5)
        cosine = (_decoded(normal, alpha) * _decoded(true_normal, true_alpha)).sum(-1)[inside]
        angle.append(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())
    return float(np.mean(psnr)), float(np.mean(angle))


def _decoded(normal: NDArray[np.float64], alpha: NDArray[np.float32]) -> NDArray[np.float64]:
    covered = np.maximum(alpha, 1e-3)[..., None]
    vector = (normal / 255 - (1 - covered)) / covered * 2 - 1
    unit: NDArray[np.float64] = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
    return unit


def compare_quality(num: int, size: int) -> int:
    meshes = twin_meshes(num)
    ways: list[tuple[str, BlenderConfig, bool, list[Any]]] = [
        ("published: 128 + denoiser, a process each", PUBLISHED, True, [{}]),
        ("published, one process", PUBLISHED, False, [{}, {"denoise": False}]),
        ("traced, box filter, diffuse", TRACED, False, [{"samples": n} for n in (48, 64, 72)]),
        ("direct, box filter", BlenderConfig(), False, [{"samples": n} for n in (32, 64, 72, 96)]),
    ]
    print(f"{num} scans, {size} px, six views; ratios to the first line")
    print(f"{'':44s} samples  CPU-s/scan  ratio   PSNR   angle")
    first, references = 0.0, {}
    for name, config, afresh, changes in ways:
        kind = (config.shading, config.material, config.pixel_filter)
        if kind not in references:
            references[kind] = reference(config, meshes, size)
        for change in changes:
            chosen = config.model_copy(update={"timeout_s": 7200.0, **change})  # a busy machine is no failure
            spent, pictures = measure(BlenderRenderer(chosen), meshes, size, afresh=afresh)
            first = first or spent
            label = name + (" without denoiser" if change.get("denoise") is False else "")
            _print_row(label, str(chosen.samples), spent, first, judge(pictures, references[kind]))
    for rays in (3, 8):
        twin = RaycastRenderer(RaycastConfig(supersampling=rays))
        spent, pictures = measure(twin, meshes, size, afresh=False)
        same_light = references["direct", "diffuse", "box"]
        _print_row("the twin, against direct", f"{rays}x{rays}", spent, first, judge(pictures, same_light))
    return 0


def _print_row(name: str, samples: str, spent: float, first: float, quality: tuple[float, float]) -> None:
    numbers = f"{spent:11.2f} {spent / first:6.2f} {quality[0]:6.2f} {quality[1]:7.3f}"
    print(f"{name:44s} {samples:>7s} {numbers}", flush=True)


def watch_memory(num: int) -> int:
    """What an actor of jobs/render_scans.py does, scan after scan: reading, checking, rendering, making a record."""
    with tempfile.TemporaryDirectory() as folder:
        write_twins(Path(folder), Painter(Body(ensure_body(BODY_CACHE))), TwinConfig(num=8), [], lambda _: None)
        scans = list_scans([ScanSource(folder=Path(folder))])
        loader = ScanLoader(ScansConfig(), scans)
        blender = BlenderConfig(samples=4, recycle=10**6)
        generator = ScanRenders(RendersConfig(image_size=48, blender=blender), 0, loader, loader.body_sha256)
        items = [scan_item(files, loader.fit_row(files), rank, (0.0,)) for rank, files in enumerate(scans)]
        assert isinstance(generator.renderer, BlenderRenderer)
        sizes = []
        for scan in range(num):
            generator.make(items[scan % len(items)])
            sizes.append((_resident_mb(os.getpid()), _resident_mb(generator.renderer.pid)))
            if scan % (num // 8) == 0:
                _print_sizes(scan + 1, sizes[-1])
        generator.renderer.close()
    _print_sizes(num, sizes[-1])
    half = num // 2
    actor, blender_slope = np.polyfit(np.arange(half), np.array(sizes[-half:]), 1)[0] * 1000
    print(f"over the second half: actor {actor:+.1f} kB a scan, Blender {blender_slope:+.1f} kB")
    return 0


def _print_sizes(scans: int, sizes: tuple[float, float]) -> None:
    print(f"after {scans:4d} scans: actor {sizes[0]:6.1f} MB, Blender {sizes[1]:6.1f} MB", flush=True)


def _resident_mb(pid: int | None) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "memory"])
    parser.add_argument("--scans", type=int, default=None)
    parser.add_argument("--size", type=int, default=192)
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("bpy", "OpenEXR", "embreex"))
    about = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in about if line.startswith("model name")), "")
    print(f"{platform.platform()}, {processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    if arguments.what == "quality":
        return compare_quality(arguments.scans or 3, arguments.size)
    return watch_memory(arguments.scans or 200)


if __name__ == "__main__":
    sys.exit(main())
