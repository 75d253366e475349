"""The interface from poses to images (Sec. 3.2), and what every record says about how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from drpose_ray.errors import InputError, is_no_space
from drpose_ray.geometry.skeleton import NUM_JOINTS
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.shards.record import FrameStatus, Licence, Provenance, SequenceRecord


class NotDrawableError(RuntimeError):
    """A window that no attempt will draw."""


class PoseToImage(Protocol):
    """Draws one person through a window of poses.

    ``generate`` depends on the window and on ``settings`` alone, never on what was generated before: shards may be
    built in any order, on any machine, and twice. A frame that cannot be drawn becomes a ``FrameStatus`` of the
    record; an exception says that the whole window failed.
    """

    @property
    def name(self) -> str: ...

    @property
    def body_sha256(self) -> str:
        """sha256 of the body model file."""

    @property
    def body_licence(self) -> str: ...

    @property
    def image_licence(self) -> str:
        """Terms of the drawn pixels, apart from those of the motion and the body."""

    def settings(self) -> Mapping[str, Any]:
        """Everything JSON-able that decides the pixels, seeds included; its hash is stored with every record."""

    def person_seed(self, window: PoseWindow) -> int:
        """Seed of the person drawn in ``window``: the same person in all its frames."""

    def generate(self, window: PoseWindow) -> SequenceRecord:
        """The record of ``window``; its key is the window's ``sequence_id``."""


def generate_record(generator: PoseToImage, window: PoseWindow, attempts: int = 1) -> SequenceRecord:
    """``generator.generate(window)``, tried up to ``attempts`` times, or a record of failed frames with the reason.

    What is no fault of this window ends the build instead: bad input (InputError), and a machine that goes on failing
    (OSError, MemoryError), which a later build may not meet.
    """
    reason = ""
    for attempt in range(1, attempts + 1):
        try:
            record = generator.generate(window)
        except InputError:
            raise
        except (OSError, MemoryError) as error:
            if attempt == attempts or is_no_space(error):
                raise
        except Exception as error:  # noqa: BLE001 - one window must not cost the others, whatever a generator raises
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, NotDrawableError):
                break
        else:
            if record.key == window.sequence_id and len(record.status) == len(window.frames):
                return record
            reason = f"the generator answered with another record, {record.key!r}"
    return failed_record(generator, window, reason)


def failed_record(generator: PoseToImage, window: PoseWindow, reason: str) -> SequenceRecord:
    """A record of ``window`` without images; its poses and provenance are kept so that it can be tried again."""
    frames = len(window.frames)
    return SequenceRecord(
        key=window.sequence_id,
        images={},
        motion=np.asarray(window.motion, np.float32),
        joints_world=np.full((frames, NUM_JOINTS, 3), np.nan, np.float32),
        camera=None,
        provenance=provenance_of(generator, window),
        licence=licence_of(generator, window),
        status=(FrameStatus(state="failed", reason=" ".join(reason.split())[:200]),) * frames,
    )


def provenance_of(generator: PoseToImage, window: PoseWindow) -> Provenance:
    return Provenance(
        source=window.source,
        clip=window.clip,
        frames=tuple(int(frame) for frame in window.frames),
        rank=window.rank,
        fps=window.fps,
        generator=generator.name,
        generator_settings_sha256=settings_sha256(generator),
        body_sha256=generator.body_sha256,
        person_seed=generator.person_seed(window),
    )


def licence_of(generator: PoseToImage, window: PoseWindow) -> Licence:
    return Licence(motion=window.licence, body=generator.body_licence, image=generator.image_licence)


def settings_sha256(generator: PoseToImage) -> str:
    """Hash of the generator's name and settings."""
    text = json.dumps([generator.name, generator.settings()], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
