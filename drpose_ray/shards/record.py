"""The one record a shard stores: a window of frames, what they show, where they come from, what may be done with them.

Inside the tar a record with key ``k`` is the run of members ``k.00.<image>.png``, ..., ``k.joints.npy``, ``k.json``
and ``k.motion.npy``, adjacent and in this order, which stock ``webdataset`` groups into one sample.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.shards.png import encode_png

KEY_PATTERN: Final = r"[A-Za-z0-9_-]{1,200}"
"""Of record keys: a dot would end a webdataset key, a slash would make a folder."""

_IMAGE_NAME = re.compile(r"[a-z0-9_]{1,15}")
_PIXELS: Final = {(np.dtype(np.uint8), 3), (np.dtype(np.uint8), 4), (np.dtype(np.uint16), 1)}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FrameStatus(_Part):
    """What became of one frame: drawn, failed in the generator, or drawn and rejected by a filter."""

    state: Literal["ok", "failed", "filtered"] = "ok"
    reason: str = ""

    @model_validator(mode="after")
    def _reason_exactly_when_not_ok(self) -> Self:
        if (self.state == "ok") != (self.reason == ""):
            raise ValueError("a frame has a reason exactly when it is not ok")
        return self


class SequenceCamera(_Part):
    """Orthographic camera of every frame; the same numbers place pixels, skeleton maps and normals."""

    center_world: tuple[tuple[float, float, float], ...]
    """(F, 3) metres, world axes: the point shown at the image centre."""
    width_m: tuple[float, ...]
    """(F,) metres shown across the image."""
    azimuth_deg: float
    """Azimuth of the input view (geometry.cameras)."""


class Provenance(_Part):
    """Everything needed to make the record again."""

    source: str
    clip: str
    frames: tuple[int, ...]
    """(F,) frame numbers in the clip."""
    rank: int
    """Order of the farthest-point pick (Sec. 3.2), 0 first."""
    fps: float
    generator: str
    generator_settings_sha256: str
    body_sha256: str
    person_seed: int


class Licence(_Part):
    """Terms of each ingredient, as short texts (an SPDX name where there is one)."""

    motion: str
    body: str
    image: str


class RecordHeader(_Part):
    """The JSON member of a record. ``camera`` is None only when no frame is ok."""

    version: Literal[1] = 1
    key: str
    image_names: tuple[str, ...]
    camera: SequenceCamera | None
    provenance: Provenance
    licence: Licence
    status: tuple[FrameStatus, ...]
    image_hash: str | None = None


@dataclass(frozen=True)
class SequenceRecord:
    """One person through one window of F frames.

    Attributes:
        key: names the record; matches ``KEY_PATTERN``.
        images: name -> (F, H, W, 3 or 4) uint8, or (F, H, W, 1) uint16 for depths; pixels of frames that are not ok
            are not stored.
        motion: (F, 322) float32 Motion-X rows.
        joints_world: (F, 23, 3) float32 metres; NaN where a frame failed.

    Raises ValueError when the parts do not fit together.
    """

    key: str
    images: Mapping[str, NDArray[Any]]
    motion: NDArray[np.float32]
    joints_world: NDArray[np.float32]
    camera: SequenceCamera | None
    provenance: Provenance
    licence: Licence
    status: tuple[FrameStatus, ...]
    image_hash: str | None = None
    """Of the drawn person, 16 hex digits, if duplicates are looked for (``synthesis.duplicates``)."""

    def __post_init__(self) -> None:
        frames, ok = len(self.status), self.ok_frames
        if not re.fullmatch(KEY_PATTERN, self.key):
            raise ValueError(f"record key {self.key!r} must match {KEY_PATTERN}")
        if not 1 <= frames <= 100:  # frame numbers have two digits in member names
            raise ValueError(f"record {self.key}: {frames} frames, expected 1 to 100")
        if self.motion.shape != (frames, NUM_COLUMNS) or self.motion.dtype != np.float32:
            raise ValueError(f"record {self.key}: motion is {self.motion.dtype} {self.motion.shape}")
        if self.joints_world.shape != (frames, NUM_JOINTS, 3) or self.joints_world.dtype != np.float32:
            raise ValueError(f"record {self.key}: joints are {self.joints_world.dtype} {self.joints_world.shape}")
        if not np.isfinite(self.joints_world[ok]).all():
            raise ValueError(f"record {self.key}: joints of an ok frame are not finite")
        if ok and not (self.images and self.camera):
            raise ValueError(f"record {self.key}: ok frames need images and a camera")
        if self.camera and not len(self.camera.center_world) == len(self.camera.width_m) == frames:
            raise ValueError(f"record {self.key}: the camera does not have {frames} frames")
        for name, image in self.images.items():
            if not _IMAGE_NAME.fullmatch(name):
                raise ValueError(f"record {self.key}: image name {name!r} must match {_IMAGE_NAME.pattern}")
            if image.ndim != 4 or len(image) != frames or (image.dtype, image.shape[3]) not in _PIXELS:
                raise ValueError(f"record {self.key}: image {name} is {image.dtype} {image.shape}")

    @property
    def ok_frames(self) -> list[int]:
        return [frame for frame, status in enumerate(self.status) if status.state == "ok"]

    def header(self) -> RecordHeader:
        return RecordHeader(
            key=self.key,
            image_names=tuple(sorted(self.images)),
            camera=self.camera,
            provenance=self.provenance,
            licence=self.licence,
            status=self.status,
            image_hash=self.image_hash,
        )


def image_member(key: str, frame: int, image_name: str) -> str:
    """Member name of one image in the tar."""
    return f"{key}.{frame:02d}.{image_name}.png"


def encode_members(record: SequenceRecord) -> Iterator[tuple[str, bytes]]:
    """Tar members (name, bytes) of a record in sorted order; equal records give equal bytes."""
    for frame in record.ok_frames:
        for name in sorted(record.images):
            yield image_member(record.key, frame, name), encode_png(record.images[name][frame])
    yield f"{record.key}.joints.npy", _encode_npy(record.joints_world)
    yield f"{record.key}.json", record.header().model_dump_json().encode()
    yield f"{record.key}.motion.npy", _encode_npy(record.motion)


def decode_npy(data: bytes) -> NDArray[Any]:
    """The array of an npy file; object arrays are refused with a ValueError."""
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def _encode_npy(array: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
    return stream.getvalue()
