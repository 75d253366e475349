"""What one window needs: the free twin is drawn and measured here, MIMO's operations are counted without weights."""

from __future__ import annotations

import platform
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body
from drpose_ray.datasets.builder.maker import RecordMaker
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.shards.write import write_shard
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.clothed_body import ClothedBody
from drpose_ray.synthesis.config import ClothedBodyConfig, MimoConfig, SynthesisConfig
from drpose_ray.synthesis.input_view import turn_to_input_view
from drpose_ray.synthesis.mimo.camera import Pinhole, Viewpoint
from drpose_ray.synthesis.mimo.pose_images import crop_of_clip, pose_input
from drpose_ray.synthesis.mimo.pose_render import render_pose
from drpose_ray.synthesis.planning.config import PlanningConfig
from drpose_ray.synthesis.planning.estimate import Assumption, WindowNeeds


def measure_window(
    synthesis: SynthesisConfig, planning: PlanningConfig, windows: Sequence[PoseWindow], seed: int
) -> WindowNeeds:
    """Draw the first ``planning.measured_windows`` of ``windows``, and for MIMO count what its networks would do.

    Raises InputError for a missing body, or a missing folder of photos whose number is not given either.
    """
    few = windows[: planning.measured_windows]
    frames = len(few[0].frames)
    if synthesis.mimo:
        return _mimo_needs(synthesis.mimo, planning, few, seed)
    config = synthesis.clothed_body
    cpu_s, stored_bytes = _draw(ClothedBody(config, seed), few)
    views = ", six views in colour and normals too" if config.multiview else ""
    return WindowNeeds(
        generator=f"clothed body at {config.image_size} px, {frames} frames per window{views}",
        num_frames=frames,
        stored_bytes=stored_bytes,
        cpu_s=cpu_s,
        assumptions=(
            _measured("a window's core seconds", f"{cpu_s:.3g}, drawn and written", few),
            _measured("a window's bytes", f"{stored_bytes:,.0f} in a shard", few),
        ),
    )


def _mimo_needs(mimo: MimoConfig, planning: PlanningConfig, few: Sequence[PoseWindow], seed: int) -> WindowNeeds:
    # Imported here: the twin needs none of MIMO's libraries.
    from drpose_ray.synthesis.mimo.flops import count_mimo_flops
    from drpose_ray.synthesis.mimo.photo import list_photos
    from drpose_ray.synthesis.mimo.pose_to_image import PHOTOS_KEPT

    if planning.num_photos is None:
        num_photos = len(list_photos(mimo.photos))
        photos = Assumption(origin="read", what="photos", value=f"{num_photos} in {mimo.photos}")
    else:
        num_photos = planning.num_photos
        photos = Assumption(origin="given", what="photos", value=f"{num_photos}")
    size, steps, frames = mimo.image_size, mimo.num_sampling_steps, len(few[0].frames)
    counted = count_mimo_flops(size, frames, guided=mimo.guidance_scale > 1)
    flop = counted.of_sequence(steps)
    render_s, (write_s, stored_bytes) = _render_pose_images(mimo, few, seed), _write_like_mimo(mimo, few, seed)
    pixels = frames * size**2
    if planning.bytes_per_pixel is None:
        of_bytes = Assumption(
            origin="estimated",
            what="a window's bytes",
            value=f"{stored_bytes:,.0f}: {stored_bytes / pixels:.3f} per pixel, measured here on rendered people at "
            f"{size} px; photographic texture takes more (docs/facts/mimo.md, 3, estimate 0.4 to 1.1)",
        )
    else:
        stored_bytes = planning.bytes_per_pixel * pixels
        of_bytes = Assumption(
            origin="given",
            what="a window's bytes",
            value=f"{stored_bytes:,.0f}: {planning.bytes_per_pixel:g} per pixel",
        )
    return WindowNeeds(
        generator=f"MIMO at {size} px, {steps} steps, guidance {mimo.guidance_scale:g}, {mimo.precision}, "
        f"{frames} frames per window",
        num_frames=frames,
        stored_bytes=stored_bytes,
        cpu_s=render_s + write_s,
        flop=flop,
        flop_of_photo=counted.of_photo,
        flop_of_worker=counted.vae_encode,
        num_photos=num_photos,
        photos_kept=PHOTOS_KEPT,
        assumptions=(
            Assumption(
                origin="counted", what="a window's operations",
                value=f"{flop / 1e12:.1f} TFLOP: {steps} steps of {counted.denoiser_step / 1e12:.3f}, {frames} frames "
                f"decoded at {counted.vae_decode / 1e12:.3f}, pose guider {counted.pose_guider / 1e12:.3f}",
            ),
            Assumption(
                origin="counted", what="operations for a photo that a worker does not know",
                value=f"{counted.of_photo / 1e12:.2f} TFLOP; a worker keeps {PHOTOS_KEPT}",
            ),
            photos,
            _measured("a window's core seconds", f"{render_s:.3g} pose images + {write_s:.3g} compressing", few),
            of_bytes,
        ),
    )  # fmt: skip


def _render_pose_images(mimo: MimoConfig, few: Sequence[PoseWindow], seed: int) -> float:
    """Core seconds of a window's pose images, as ``MimoAnimation`` draws them; colours take no time."""
    body = Body(_body_of(mimo))
    white = np.ones((body.num_vertices, 3))
    distant = Pinhole.distant(mimo.image_size)
    begin = time.process_time()
    for window in few:
        vertices = np.stack([body.pose(row)[0] for row in window.motion])
        turn = turn_to_input_view(window, mimo.azimuth_deg, mimo.heading_spread_deg, seed)
        viewpoint = Viewpoint.of_clip(vertices, float(-np.rad2deg(turn) % 360))
        rendered = np.stack([
            render_pose(viewpoint.to_camera(each), body.faces, white, distant, mimo.image_size) for each in vertices
        ])  # fmt: skip
        pose_input(rendered, crop_of_clip(rendered), mimo.image_size)
    return (time.process_time() - begin) / len(few)


def _write_like_mimo(mimo: MimoConfig, few: Sequence[PoseWindow], seed: int) -> tuple[float, float]:
    """Core seconds and bytes of writing a window that shows rendered people on white where MIMO's would be."""
    twin = ClothedBody(
        ClothedBodyConfig(
            body=_body_of(mimo), image_size=mimo.image_size, azimuth_deg=mimo.azimuth_deg,
            heading_spread_deg=mimo.heading_spread_deg,
        ),
        seed,
    )  # fmt: skip
    return _write([replace(record, images=_on_white(record)) for record in map(twin.make, few)], len(few))


def _on_white(record: SequenceRecord) -> dict[str, np.ndarray]:
    rgba = record.images["input"].astype(np.float32) / 255
    alpha = rgba[..., 3:]
    return {"input": ((rgba[..., :3] * alpha + 1 - alpha) * 255 + 0.5).astype(np.uint8)}


def _draw(generator: RecordMaker[PoseWindow], few: Sequence[PoseWindow]) -> tuple[float, float]:
    generator.make(few[0])  # what is done once in a process is no part of a window
    return _write(map(generator.make, few), len(few))


def _write(records: Iterable[SequenceRecord], num: int) -> tuple[float, float]:
    """Core seconds, those of drawing a lazy ``records`` included, and bytes; means of ``num`` windows."""
    with TemporaryDirectory() as folder:
        begin = time.process_time()  # of this process alone: neighbours do not count
        row = write_shard(Path(folder), 0, records)
        cpu_s = time.process_time() - begin
        with tarfile.open(Path(folder) / row.name) as tar:
            last = tar.getmembers()[-1]
        # Without what a tar is filled up with at its end, up to 10 kB that a whole shard has once too.
        return cpu_s / num, (last.offset_data + last.size) / num


def _body_of(mimo: MimoConfig) -> Path:
    return mimo.body or ensure_body(BODY_CACHE)


def _measured(what: str, value: str, few: Sequence[PoseWindow]) -> Assumption:
    where = f"mean of {len(few)} windows of {few[0].source}, {platform.machine()}"
    return Assumption(origin="measured here", what=what, value=f"{value} ({where})")
