"""How far two renders of the same scans are apart, as stored: Blender's, and the ray-casting twin's.

    drpose scans make --run.folder X --twin.num 50
    drpose scans render --run.folder X --renders.image_size 192
    drpose scans render --run.folder X --renders.image_size 192 --renders.engine raycast --renders.output X/ray
    python benchmarks/render_parity.py X/renders X/ray

Masks are where there is depth; normals and depths are compared where both renders show the person, colours over the
whole picture. Joints and frames have to be equal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from drpose_ray.datasets.shards.read import FrameSample, ShardReader
from drpose_ray.geometry.cameras import NUM_VIEWS
from drpose_ray.scans.render.images import depth_metres


def compare(one: FrameSample, other: FrameSample, view: int) -> dict[str, float]:
    depths = [depth_metres(sample.images[f"depth{view}"], sample.view.width_m) for sample in (one, other)]
    masks = [np.isfinite(depth) for depth in depths]
    both = masks[0] & masks[1]
    normals = [sample.images[f"normal{view}"][both] / 255.0 * 2 - 1 for sample in (one, other)]
    lengths = np.linalg.norm(normals[0], axis=1) * np.linalg.norm(normals[1], axis=1)
    colors = [sample.images[f"color{view}"].astype(float) for sample in (one, other)]
    error = ((colors[0] - colors[1]) ** 2).mean()
    return {
        "mask IoU": both.sum() / (masks[0] | masks[1]).sum(),
        "normal cosine": ((normals[0] * normals[1]).sum(1) / lengths).mean(),
        "depth, median mm": 1000 * float(np.median(np.abs(depths[0][both] - depths[1][both]))),
        "colour PSNR, dB": 10 * np.log10(255**2 / error),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    arguments = parser.parse_args()
    views = []
    for one, other in zip(ShardReader(arguments.one), ShardReader(arguments.other), strict=True):
        if one.key != other.key:
            raise SystemExit(f"{one.key} beside {other.key}: not renders of the same scans")
        np.testing.assert_allclose(one.joints_world, other.joints_world)
        np.testing.assert_allclose(one.view.center_world, other.view.center_world)
        views += [compare(one, other, view) for view in range(NUM_VIEWS)]
    print(f"{len(views)} views            mean      worst")
    for name in views[0]:
        values = np.array([view[name] for view in views])
        print(f"{name:18s} {values.mean():9.4f}  {values.max() if 'mm' in name else values.min():9.4f}")


if __name__ == "__main__":
    main()
