"""A dataset at a glance: strips of some of its sequences, and a list of what was rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from drpose_ray.core.drawing.pictures import grid, on_white
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.seeding import stream
from drpose_ray.datasets.inspect.plain_text import one_line
from drpose_ray.datasets.inspect.rejected import RejectedFrame, rejected_frames, status_in
from drpose_ray.datasets.manifest import read_manifest
from drpose_ray.datasets.record import INPUT_IMAGE, RecordHeader
from drpose_ray.datasets.rows import Manifest
from drpose_ray.datasets.shards.open_shard import FrameSample, read_headers, read_shard
from drpose_ray.geometry.cameras import project
from drpose_ray.geometry.skeleton import PARENTS

_CELL, _GAP, _LINE = 128, 6, 16
_FRAMES_SHOWN: Final = 5
_CELLS_ACROSS: Final = 12
_LISTED: Final = 40
_BONE_RGB, _JOINT_RGB, _FADED = (0, 114, 178), (213, 94, 0), 0.55
_INK, _PAPER, _FRAME_RGB = (30, 30, 30), (255, 255, 255), (215, 215, 215)


@dataclass(frozen=True)
class _Strip:
    header: RecordHeader
    frames: tuple[FrameSample, ...]  # ok frames, at most _FRAMES_SHOWN


def contact_sheet(folder: Path, path: Path, num: int = 24, seed: int = 0) -> None:
    """Publish a PNG of ``num`` sequences of a finished dataset, spread evenly over its shards, drawn by ``seed``.

    Each strip shows up to five ok frames and, last, the middle one again with its skeleton. Below, the sequences with
    frames that failed or were filtered are listed, the first of them by name. Raises InputError if the dataset is
    unfinished or a shard is not the manifest's.
    """
    manifest = read_manifest(folder)
    strips = list(_strips(folder, manifest, _drawn_positions(manifest.identity.sequences, num, seed)))
    lines = _rejected_lines(manifest, rejected_frames(folder))
    cells = 1 + max((len(strip.frames) for strip in strips), default=1)  # frames, and one with its skeleton
    columns, width = _CELLS_ACROSS // max(cells, 2), max(cells, 2) * _CELL
    rows = -(-len(strips) // columns)
    top = 2 * _LINE + _GAP
    height = _LINE + _CELL + 2 * _GAP
    sheet = Image.new("RGB", (columns * (width + _GAP) + _GAP, top + rows * height + (len(lines) + 1) * _LINE), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    draw.text((_GAP, _GAP), one_line(_title(manifest, len(strips))), _INK, ImageFont.load_default(15))
    for number, strip in enumerate(strips):
        left, upper = _GAP + number % columns * (width + _GAP), top + number // columns * height
        draw.text((left, upper), _cut(_caption(strip), width), _INK, font)
        sheet.paste(_draw_strip(strip, width), (left, upper + _LINE))
    for number, line in enumerate(lines):
        draw.text((_GAP, top + rows * height + number * _LINE), line, _INK, font)
    with replace_when_complete(path) as temporary:
        sheet.save(temporary, "PNG", optimize=True)


def _drawn_positions(num_sequences: int, num: int, seed: int) -> list[int]:
    """Rising positions in stored order, one from each of ``num`` runs of about one length; all if there are no more."""
    if num >= num_sequences:
        return list(range(num_sequences))
    starts = np.arange(num + 1) * num_sequences // num
    return [int(place) for place in stream(seed, "contact sheet").integers(starts[:-1], starts[1:])]


def _strips(folder: Path, manifest: Manifest, positions: Sequence[int]) -> Iterator[_Strip]:
    start = 0
    for row in manifest.shards:
        here = [position - start for position in positions if start <= position < start + row.sequences]
        start += row.sequences
        if not here:
            continue
        headers = list(read_headers(folder, row))
        chosen = {
            header.key: header.model_copy(update={"status": status_in(manifest, header)})
            for header in (headers[place] for place in here)
        }
        shown = {key: set(_spread(_ok_frames(header))) for key, header in chosen.items()}
        frames: dict[str, list[FrameSample]] = {key: [] for key in chosen}
        for sample in read_shard(folder, row):
            if sample.frame in shown.get(sample.key, ()):
                frames[sample.key].append(sample)
        for key, header in chosen.items():
            yield _Strip(header, tuple(frames[key]))


def _ok_frames(header: RecordHeader) -> list[int]:
    return [frame for frame, status in enumerate(header.status) if status.state == "ok"]


def _spread(frames: Sequence[int]) -> list[int]:
    """At most ``_FRAMES_SHOWN`` of ``frames``, first and last included."""
    places = np.linspace(0, len(frames) - 1, min(len(frames), _FRAMES_SHOWN)).round().astype(int)
    return [frames[place] for place in places]


def _draw_strip(strip: _Strip, width: int) -> Image.Image:
    cells = [_picture(sample) for sample in strip.frames]
    if strip.frames:
        middle = len(cells) // 2
        cells.append(_with_skeleton(cells[middle], strip.frames[middle]))
    cells += [Image.new("RGB", (_CELL, _CELL), _PAPER)] * (width // _CELL - len(cells))
    canvas = Image.fromarray(grid([[np.asarray(cell) for cell in cells]]))
    ImageDraw.Draw(canvas).rectangle((0, 0, width - 1, _CELL - 1), outline=_FRAME_RGB)
    return canvas


def _picture(sample: FrameSample) -> Image.Image:
    if INPUT_IMAGE not in sample.images or sample.images[INPUT_IMAGE].shape[-1] == 1:
        raise InputError(
            "the dataset has no input image in colour to show", field=sample.key, value=sorted(sample.images),
            remedy="give a dataset that jobs/synthesize.py or jobs/render_scans.py made",
        )  # fmt: skip
    return Image.fromarray(on_white(sample.images[INPUT_IMAGE])).resize((_CELL, _CELL), Image.Resampling.BICUBIC)


def _with_skeleton(picture: Image.Image, sample: FrameSample) -> Image.Image:
    faded = Image.blend(picture, Image.new("RGB", picture.size, _PAPER), _FADED)
    joints = project(
        torch.from_numpy(sample.joints_world)[None].double(),
        torch.from_numpy(sample.view.center_world)[None].double(),
        torch.tensor([sample.view.width_m]).double(),
        torch.tensor([sample.azimuth_deg]).double(),
    )[0, 0]
    points = [(float(x), float(y)) for x, y in joints * _CELL]
    draw = ImageDraw.Draw(faded)
    for joint, parent in enumerate(PARENTS):
        draw.line((points[parent], points[joint]), _BONE_RGB, 2)
    for x, y in points:
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), _JOINT_RGB)
    return faded


def _title(manifest: Manifest, shown: int) -> str:
    identity = manifest.identity
    drawn_by = ", ".join(generator.name for generator in identity.generators)
    return (
        f"{drawn_by}: {shown} of {identity.sequences} sequences; frames {manifest.frames_ok} ok, "
        f"{manifest.frames_failed} failed, {manifest.frames_filtered} filtered"
    )


def _caption(strip: _Strip) -> str:
    header = strip.header
    reasons = Counter(status.reason for status in header.status if status.state != "ok")
    status = "".join(f", {count} {reason}" for reason, count in reasons.items())
    shown = ", ".join(str(header.provenance.frames[sample.frame]) for sample in strip.frames)
    return (
        f"rank {header.provenance.rank}  {header.provenance.clip}  frames {shown or 'none'}  "
        f"({len(_ok_frames(header))}/{len(header.status)} ok{status})"
    )


def _rejected_lines(manifest: Manifest, rejected: Iterator[RejectedFrame]) -> list[str]:
    """Counts by reason, then a line for each of the first sequences with rejected frames."""
    totals: Counter[str] = Counter()
    for row in manifest.shards:
        totals.update(row.reasons)
    if not totals:
        return ["No frame failed or was filtered."]
    by_reason = ", ".join(f"{count} {reason}" for reason, count in totals.most_common())
    lines = [f"Rejected frames by reason: {by_reason}"]
    sequences = groupby(rejected, key=lambda frame: (frame.rank, frame.clip, frame.key))
    for (rank, clip, key), frames in islice(sequences, _LISTED):
        groups: dict[str, list[str]] = {}
        for frame in frames:
            groups.setdefault(f"{frame.state}: {frame.reason}", []).append(str(frame.clip_frame))
        lines.append(
            f"rank {rank}  {clip}  {key}  " + "; ".join(f"{why} ({', '.join(n)})" for why, n in groups.items())
        )
    more = sum(1 for _ in sequences)
    if more:
        lines.append(f"... and {more} more sequences")
    return [_cut(line, _CELLS_ACROSS * _CELL) for line in lines]


def _cut(text: str, width: int) -> str:
    """``text`` cut to about ``width`` pixels of the small font, whose letters are 6.5 pixels wide on average."""
    return one_line(text, width * 2 // 13)
