"""Scans as a dataset: the record of a scan has a frame for each input camera, and this draws it (docs/scans.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import derive_seed, stream
from drpose_ray.datasets.builder.maker import NotDrawableError, licence_of, provenance_of
from drpose_ray.datasets.record import FrameStatus, SequenceCamera, SequenceRecord
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, Frame, world_to_cam
from drpose_ray.geometry.motion_row import TRANSLATION
from drpose_ray.poses.sources import turn_row
from drpose_ray.scans.render.blender.renderer import BlenderRenderer
from drpose_ray.scans.render.cameras import View
from drpose_ray.scans.render.config import RendersConfig
from drpose_ray.scans.render.images import color_images, depth_image, face_crop, normal_image
from drpose_ray.scans.render.raycast import RaycastRenderer
from drpose_ray.scans.render.renderer import RenderedViews, RenderFailedError, ScanRenderer
from drpose_ray.scans.render.scan_item import ScanItem
from drpose_ray.scans.scan import Scan

ERA3D_LENSES_MM: Final = (35.0, 50.0, 85.0, 105.0, 135.0)
ERA3D_ELEVATIONS_DEG: Final = (-20.0, 40.0)
FACE: Final = len(VIEW_AZIMUTHS_DEG)
"""Number of PSHuman's seventh slot."""


class ScanRefusedError(NotDrawableError):
    """A scan that is not what it should be: it costs itself and no other."""


class ScanRenders:
    """Renders scans from six views; a ``RecordMaker`` of scans.

    Frame ``f`` shows the scan as the input camera at azimuth ``input_azimuths_deg[f]`` sees it: motion, joints and
    frame centre are turned by minus that azimuth, and the record's camera is at azimuth 0. Images: ``input`` RGBA, and
    for each view ``color``, ``normal`` and, if wanted, ``depth`` (``scans.render.images``), as cameras see them; what a
    model wants mirrored is mirrored when it is read (``ViewSet.from_true_views``). All frames share the scan's scale.
    """

    name = "scan-renders"
    image_licence = "renders of the scan: as the scan, see motion"

    def __init__(
        self,
        config: RendersConfig,
        seed: int,
        load: Callable[[str], Scan],
        body_sha256: str,
        read_with: Mapping[str, Any] | None = None,
        body_licence: str = "see the body model file",
    ) -> None:
        """``load`` reads the scan of an id. It raises InputError if that scan is not to be used.

        ``read_with`` is what decides its answers (``ScanLoader.settings``); it becomes part of the dataset's identity.
        """
        self.config, self.seed = config, seed
        self._load, self._body_sha256, self.body_licence = load, body_sha256, body_licence
        self._read_with = read_with or {}
        self.renderer = make_renderer(config)

    @property
    def body_sha256(self) -> str:
        return self._body_sha256

    def settings(self) -> Mapping[str, Any]:
        drawn = {"engine", "image_size", "view_set", "input_azimuths_deg", "input_cameras", "depth"}
        return {
            **self.config.model_dump(mode="json", include=drawn),
            "renderer": self.renderer.settings(),
            "scans": self._read_with,
            "seed": self.seed,
        }

    def person_seed(self, item: ScanItem) -> int:
        """Of the subject: all scans of one have it."""
        return derive_seed(self.seed, "subject", item.source, item.clip)

    def make(self, item: ScanItem) -> SequenceRecord:
        try:
            scan = self._load(item.sequence_id)
        except InputError as error:
            raise ScanRefusedError(_reason(error)) from error
        frame, azimuths = Frame.around(scan.mesh.vertices), self.config.input_azimuths_deg
        inputs = [input_view(self.config, self.seed, item.sequence_id, n) for n in range(len(azimuths))]
        views = list(dict.fromkeys([*(self._view(a + v) for a in azimuths for v in VIEW_AZIMUTHS_DEG), *inputs]))
        rendered = self.renderer.render(scan.mesh, frame, views, self.config.image_size)
        if (rendered.alpha.max((1, 2)) == 0).any():
            raise RenderFailedError("a view shows nothing")
        drawn = [
            self._draw(rendered, views, azimuth, seen_from, frame)
            for azimuth, seen_from in zip(azimuths, inputs, strict=True)
        ]
        fits = [turned_fit(scan, azimuth) for azimuth in azimuths]
        centers = [world_to_cam(azimuth) @ frame.center_world for azimuth in azimuths]
        return SequenceRecord(
            key=item.sequence_id,
            images={name: np.stack([images[name] for images in drawn]) for name in drawn[0]},
            motion=np.stack([motion for motion, _ in fits]),
            joints_world=np.stack([joints for _, joints in fits]),
            camera=SequenceCamera(
                center_world=tuple((float(x), float(y), float(z)) for x, y, z in centers),
                width_m=(frame.width_m,) * len(centers),
                azimuth_deg=0.0,
            ),
            provenance=provenance_of(self, item),
            licence=licence_of(self, item),
            status=(FrameStatus(),) * len(centers),
        )

    def _view(self, azimuth_deg: float) -> View:
        return View(azimuth_deg % 360)

    def _draw(
        self, rendered: RenderedViews, views: Sequence[View], azimuth: float, seen_from: View, frame: Frame
    ) -> dict[str, NDArray[Any]]:
        """Name -> picture (s, s, C) of one frame."""
        place = {view: number for number, view in enumerate(views)}
        entry = place[seen_from]
        _, rgba = color_images(rendered.color[entry], rendered.alpha[entry])
        images: dict[str, NDArray[Any]] = {"input": rgba}
        for slot, offset in enumerate(VIEW_AZIMUTHS_DEG):
            number = place[self._view(azimuth + offset)]
            alpha = rendered.alpha[number]
            images[f"color{slot}"], _ = color_images(rendered.color[number], alpha)
            images[f"normal{slot}"] = normal_image(rendered.normal_world[number], alpha, azimuth)
            if self.config.depth:
                images[f"depth{slot}"] = depth_image(rendered.depth_m[number], frame.width_m)
        if self.config.view_set == "pshuman":
            images[f"color{FACE}"] = face_crop(images["color0"])
            images[f"normal{FACE}"] = face_crop(images["normal0"])
        return images


def make_renderer(config: RendersConfig) -> ScanRenderer:
    return BlenderRenderer(config.blender) if config.engine == "blender" else RaycastRenderer(config.raycast)


def input_view(config: RendersConfig, seed: int, scan_id: str, number: int) -> View:
    """The camera of ``input`` in frame ``number`` of a scan, in the scan's axes.

    Era3D's are drawn (docs/facts/i2mv.md, 4.3): one of five, a plain one, three with perspective at a lens drawn for
    each, and one orthographic from the scan's elevation. The three and the last share the scan's elevation.
    """
    azimuth = config.input_azimuths_deg[number] % 360
    if config.input_cameras == "rig":
        return View(azimuth)
    elevation = float(stream(seed, "elevation", scan_id).uniform(*ERA3D_ELEVATIONS_DEG))
    rng = stream(seed, "input camera", scan_id, number)
    kind = int(rng.integers(5))
    if kind == 0:
        return View(azimuth)
    return View(azimuth, elevation, None if kind == 4 else float(rng.choice(ERA3D_LENSES_MM)))


def turned_fit(scan: Scan, azimuth_deg: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Motion row (322,) and joints (23, 3) of a scan turned so that a camera at ``azimuth_deg`` becomes the front one.

    A row is turned about the body's rest pelvis, a scan about the world's vertical axis: the translation makes up.
    """
    rotation = world_to_cam(azimuth_deg)
    joints = scan.joints_world.astype(np.float64)
    row = turn_row(scan.motion_row, -np.deg2rad(azimuth_deg))
    rest_pelvis = joints[0] - scan.motion_row[TRANSLATION]
    row[TRANSLATION] = rotation @ joints[0] - rest_pelvis
    return row, (joints @ rotation.T).astype(np.float32)


def _reason(error: InputError) -> str:
    """What is wrong with a scan, in words that do not depend on the folder it lies in."""
    file = Path(error.file).name if error.file else None
    named = {"file": file, "field": error.field, "value": error.value}
    return "; ".join([error.problem, *(f"{name}: {part}" for name, part in named.items() if part is not None)])
