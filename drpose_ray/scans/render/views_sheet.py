"""Scans at a glance: every picture of some records, small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from drpose_ray.core.drawing.pictures import grid, on_white
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import INPUT_IMAGE
from drpose_ray.datasets.shards.open_shard import FrameSample, read_shard

_CELL, _LINE = 112, 16
_INK, _PAPER = (30, 30, 30), (255, 255, 255)
_ROWS: Final = (INPUT_IMAGE, "color"), (None, "normal"), (None, "depth")


def views_sheet(folder: Path | str, path: Path, num: int = 8) -> None:
    """Publish a PNG of the first frames of ``num`` records of a finished dataset, spread evenly over its ok frames.

    Each has a row of its input and colours, one of normals and, if they are stored, one of depths, near ones dark.
    """
    samples = list(_spread(folder, num))
    blocks = [_block(sample) for sample in samples]
    if not blocks:
        blocks = [Image.new("RGB", (7 * _CELL, _CELL), _PAPER)]
    sheet = Image.new("RGB", (max(b.width for b in blocks), sum(b.height + _LINE for b in blocks)), _PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(12), 0
    for block, sample in zip(blocks, samples, strict=False):
        draw.text((4, top), f"{sample.key}  frame {sample.frame}", _INK, font)
        sheet.paste(block, (0, top + _LINE))
        top += block.height + _LINE
    with replace_when_complete(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)


def _spread(folder: Path | str, num: int) -> Iterator[FrameSample]:
    manifest = read_manifest(folder)
    wanted = set(np.linspace(0, manifest.frames_ok - 1, min(num, manifest.frames_ok)).round().astype(int).tolist())
    start = 0
    for row in manifest.shards:
        if not wanted.isdisjoint(range(start, start + row.frames_ok)):
            for place, sample in enumerate(read_shard(folder, row)):
                if start + place in wanted:
                    yield sample
        start += row.frames_ok


def _block(sample: FrameSample) -> Image.Image:
    rows = [
        (first, names)
        for first, kind in _ROWS
        if (names := sorted(name for name in sample.images if name.startswith(kind)))
    ]
    return Image.fromarray(
        grid([[_small(sample.images[name]) if name else None for name in (first, *names)] for first, names in rows])
    )


def _small(picture: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(_shown(picture)).resize((_CELL, _CELL), Image.Resampling.BICUBIC))


def _shown(picture: NDArray[Any]) -> NDArray[np.uint8]:
    if picture.dtype == np.uint16:
        depth = picture[..., 0].astype(np.float32)
        near, far = depth[depth > 0].min(initial=65535), depth.max()
        grey = np.where(depth > 0, 40 + 180 * (depth - near) / max(far - near, 1), 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1)
    return on_white(picture) if picture.shape[-1] == 4 else picture
