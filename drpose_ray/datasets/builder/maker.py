"""What becomes a record, what makes it one, and what every record says about how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError, is_no_space
from drpose_ray.datasets.record import FrameStatus, Licence, Provenance, SequenceRecord
from drpose_ray.geometry.skeleton import NUM_JOINTS

_FPS_WHERE_THERE_IS_NONE: Final = 30.0
"""Records of stills say so since their first version, and it is part of a dataset's identity."""


class NotDrawableError(RuntimeError):
    """An item of which no attempt will make a record."""


class Item(Protocol):
    """What one record is made of: a window of poses (``poses.windows``), a scan (``scans.render.scan_item``)."""

    @property
    def sequence_id(self) -> str: ...  # key of the record, unique in its dataset
    @property
    def motion(self) -> NDArray[np.float32]: ...  # (F, 322) Motion-X rows, one for each frame of the record
    @property
    def source(self) -> str: ...  # the collection it comes from
    @property
    def clip(self) -> str: ...  # the motion, or who was scanned
    @property
    def frames(self) -> NDArray[np.int64]: ...  # (F,) numbers of the frames in the clip
    @property
    def rank(self) -> int: ...  # its place in the order in which items were chosen, 0 first
    @property
    def fps(self) -> float | None: ...  # of the clip; None of stills
    @property
    def licence(self) -> str: ...  # terms of the motion or the scan


I = TypeVar("I", bound=Item)  # noqa: E741
I_contra = TypeVar("I_contra", bound=Item, contravariant=True)


class RecordMaker(Protocol[I_contra]):
    """Makes one person's record of an item (Sec. 3.2).

    ``make`` depends on the item and on ``settings`` alone, never on what was made before: shards may be built in any
    order, on any machine, and twice. A frame that cannot be drawn becomes a ``FrameStatus`` of the record; an exception
    says that the whole item failed.
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

    def person_seed(self, item: I_contra) -> int:
        """Seed of the person shown: the same person in all frames of an item."""

    def make(self, item: I_contra) -> SequenceRecord:
        """The record of ``item``; its key is the item's ``sequence_id``."""


def make_record(maker: RecordMaker[I], item: I, attempts: int = 1) -> SequenceRecord:
    """``maker.make(item)``, tried up to ``attempts`` times, or a record of failed frames with the reason.

    What is no fault of this item ends the build instead: bad input (InputError), and a machine that goes on failing
    (OSError, MemoryError), which a later build may not meet.
    """
    reason = ""
    for attempt in range(1, attempts + 1):
        try:
            record = maker.make(item)
        except InputError:
            raise
        except (OSError, MemoryError) as error:
            if attempt == attempts or is_no_space(error):
                raise
        except Exception as error:  # noqa: BLE001 - one item must not cost the others, whatever a maker raises
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, NotDrawableError):
                break
        else:
            if record.key == item.sequence_id and len(record.status) == len(item.frames):
                return record
            reason = f"the generator answered with another record, {record.key!r}"
    return failed_record(maker, item, reason)


def failed_record(maker: RecordMaker[I], item: I, reason: str) -> SequenceRecord:
    """A record of ``item`` without images; its poses and provenance are kept so that it can be tried again."""
    frames = len(item.frames)
    return SequenceRecord(
        key=item.sequence_id,
        images={},
        motion=np.asarray(item.motion, np.float32),
        joints_world=np.full((frames, NUM_JOINTS, 3), np.nan, np.float32),
        camera=None,
        provenance=provenance_of(maker, item),
        licence=licence_of(maker, item),
        status=(FrameStatus(state="failed", reason=" ".join(reason.split())[:200]),) * frames,
    )


def provenance_of(maker: RecordMaker[I], item: I) -> Provenance:
    return Provenance(
        source=item.source,
        clip=item.clip,
        frames=tuple(int(frame) for frame in item.frames),
        rank=item.rank,
        fps=stored_fps(item),
        generator=maker.name,
        generator_settings_sha256=settings_sha256(maker),
        body_sha256=maker.body_sha256,
        person_seed=maker.person_seed(item),
    )


def stored_fps(item: Item) -> float:
    """What the record of ``item`` says of its rate."""
    return _FPS_WHERE_THERE_IS_NONE if item.fps is None else item.fps


def licence_of(maker: RecordMaker[I], item: I) -> Licence:
    return Licence(motion=item.licence, body=maker.body_licence, image=maker.image_licence)


def settings_sha256(maker: RecordMaker[Any]) -> str:
    """Hash of the maker's name and settings."""
    text = json.dumps([maker.name, maker.settings()], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
