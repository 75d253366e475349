"""The one record a shard stores: a window of frames, what they show, where they come from, what may be done with them.

Inside the tar a record with key ``k`` is the run of members ``k.00.<image>.png``, ..., ``k.joints.npy``, ``k.json``
and ``k.motion.npy``, adjacent and in this order, which stock ``webdataset`` groups into one sample.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from drpose_ray.datasets.shards.png import encode_png
from drpose_ray.geometry.motion_row import NUM_COLUMNS
from drpose_ray.geometry.skeleton import NUM_JOINTS

CorruptedPolicy = Literal["raise", "skip"]
"""What a reader does with shards that are missing, altered or cannot be decoded."""

KEY_PATTERN: Final = r"[A-Za-z0-9_-]{1,200}"
"""Of record keys: a dot would end a webdataset key, a slash would make a folder."""

CLOTHED_BODY: Final = "clothed-body"
"""The generator that is a free stand-in, as records name it."""

INPUT_IMAGE: Final = "input"
"""Name of the picture that a model is given; a record's other images are made with it and go with it."""

_IMAGE_PATTERN: Final = r"[a-z0-9_]{1,15}"
MEMBER_PATTERN: Final = rf"{KEY_PATTERN}\.(?:[0-9]{{2}}\.{_IMAGE_PATTERN}\.png|joints\.npy|json|motion\.npy)"
"""Of the names of a record's members."""

PIXELS: Final = {(np.dtype(np.uint8), 3), (np.dtype(np.uint8), 4), (np.dtype(np.uint16), 1)}
"""Type and channels of stored images."""

LARGEST: Final = 1e6
"""Of any coordinate in metres, and of any number of a motion row: what is larger is no person's."""

_Metres = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]

ImageHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Of a drawn person, 16 hex digits (``datasets.builder.duplicates``)."""


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

    center_world: tuple[tuple[_Metres, _Metres, _Metres], ...]
    """(F, 3) metres, world axes: the point shown at the image centre."""
    width_m: tuple[Annotated[float, Field(gt=0, le=LARGEST)], ...]
    """(F,) metres shown across the image."""
    azimuth_deg: Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
    """Azimuth of the input view (geometry.cameras)."""


class Provenance(_Part):
    """Everything needed to make the record again."""

    source: str
    clip: str
    frames: tuple[int, ...]
    """(F,) frame numbers in the clip."""
    rank: int = Field(ge=0, lt=2**63)
    """Order of the farthest-point pick (Sec. 3.2), 0 first."""
    fps: float = Field(gt=0)
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
    image_hash: ImageHash | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        _check_parts(self.key, self.image_names, self.camera, self.provenance, self.status)
        return self


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
    """Of the drawn person, 16 hex digits, if duplicates are looked for (``datasets.builder.duplicates``)."""

    def __post_init__(self) -> None:
        _check_parts(self.key, tuple(self.images), self.camera, self.provenance, self.status)
        check_numbers(self.key, self.status, self.motion, self.joints_world)
        for name, image in self.images.items():
            if image.ndim != 4 or len(image) != len(self.status) or (image.dtype, image.shape[3]) not in PIXELS:
                raise ValueError(f"record {self.key}: image {name} is {image.dtype} {image.shape}")

    @property
    def ok_frames(self) -> list[int]:
        return ok_frames(self.status)

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


def ok_frames(status: Sequence[FrameStatus]) -> list[int]:
    """Numbers of the frames that are ok."""
    return [frame for frame, each in enumerate(status) if each.state == "ok"]


def check_numbers(key: str, status: Sequence[FrameStatus], motion: NDArray[Any], joints_world: NDArray[Any]) -> None:
    """ValueError unless the arrays are those of a record with these frames, finite and within ``LARGEST`` where ok."""
    frames, ok = len(status), ok_frames(status)
    for name, array, shape in (
        ("motion is", motion, (frames, NUM_COLUMNS)),
        ("joints are", joints_world, (frames, NUM_JOINTS, 3)),
    ):
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(f"record {key}: {name} {array.dtype} {array.shape}, expected float32 {shape}")
        if not (np.abs(array[ok]) <= LARGEST).all():
            raise ValueError(f"record {key}: {name} not finite, or beyond {LARGEST:g}, in an ok frame")


def _check_parts(
    key: str,
    image_names: Sequence[str],
    camera: SequenceCamera | None,
    provenance: Provenance,
    status: Sequence[FrameStatus],
) -> None:
    """ValueError unless a record may have these parts."""
    frames, ok = len(status), ok_frames(status)
    if not re.fullmatch(KEY_PATTERN, key):
        raise ValueError(f"record key {key[:200]!r} must match {KEY_PATTERN}")
    if not 1 <= frames <= 100:  # frame numbers have two digits in member names
        raise ValueError(f"record {key}: {frames} frames, expected 1 to 100")
    if len(provenance.frames) != frames:
        raise ValueError(f"record {key}: provenance of {len(provenance.frames)} frames, expected {frames}")
    if ok and not (image_names and camera):
        raise ValueError(f"record {key}: ok frames need images and a camera")
    if camera and not len(camera.center_world) == len(camera.width_m) == frames:
        raise ValueError(f"record {key}: the camera does not have {frames} frames")
    for name in image_names:
        if not re.fullmatch(_IMAGE_PATTERN, name):
            raise ValueError(f"record {key}: image name {name[:200]!r} must match {_IMAGE_PATTERN}")
    if len(set(image_names)) != len(image_names):
        raise ValueError(f"record {key}: two images have one name")


def image_member(key: str, frame: int, image_name: str) -> str:
    """Member name of one image in the tar."""
    return f"{key}.{frame:02d}.{image_name}.png"


def member_names(header: RecordHeader) -> list[str]:
    """Names of a record's members in stored order."""
    key, names = header.key, sorted(header.image_names)
    images = [image_member(key, frame, name) for frame in ok_frames(header.status) for name in names]
    return [*images, f"{key}.joints.npy", f"{key}.json", f"{key}.motion.npy"]


def encode_members(record: SequenceRecord) -> Iterator[tuple[str, bytes]]:
    """Tar members (name, bytes) of a record in sorted order; equal records give equal bytes."""
    for frame in record.ok_frames:
        for name in sorted(record.images):
            yield image_member(record.key, frame, name), encode_png(record.images[name][frame])
    yield f"{record.key}.joints.npy", _encode_npy(record.joints_world)
    yield f"{record.key}.json", record.header().model_dump_json().encode()
    yield f"{record.key}.motion.npy", _encode_npy(record.motion)


def _encode_npy(array: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
    return stream.getvalue()
