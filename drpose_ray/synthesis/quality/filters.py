"""Quality control of drawn windows: frames that do not show the person in the pose are rejected, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from drpose_ray.body.smplx_body import Body
from drpose_ray.datasets.builder.duplicates import image_hash
from drpose_ray.datasets.builder.maker import RecordMaker, settings_sha256
from drpose_ray.datasets.record import INPUT_IMAGE, FrameStatus, SequenceRecord
from drpose_ray.poses.windows import PoseWindow
from drpose_ray.synthesis.quality.config import QualityConfig
from drpose_ray.synthesis.quality.measures import (
    Thumbnail,
    agreement_with_body,
    border_share,
    brightness_and_contrast,
    find_frozen,
    movement,
    take_thumbnail,
)

REASONS: Final = ("empty", "black", "cropped", "frozen", "silhouette")
"""Why a frame is rejected, in the order of asking: the first that holds is the frame's reason. No measured values,
so that counts by reason stay few."""


class QualityCheck:
    """The filters on one record: frames that were drawn and fail one become ``filtered``, the others stay as they are.

    The silhouette filter compares with the unclothed body of the record's motion row seen through the record's camera.
    It cannot tell a pose from one with nearly the same outline, such as the same person from behind.
    """

    def __init__(self, config: QualityConfig, body: Body) -> None:
        """``body`` is the one that the generator posed."""
        self.config, self.body = config, body

    def settings(self) -> Mapping[str, Any]:
        """Everything JSON-able that decides which frames are kept; part of a dataset's identity."""
        return self.config.model_dump(mode="json")

    def __call__(self, record: SequenceRecord) -> SequenceRecord:
        """``record`` with the same frames, some of them rejected; joints and pixels are untouched."""
        reasons = dict(self._reasons(record))
        status = tuple(
            FrameStatus(state="filtered", reason=reasons[frame]) if frame in reasons else status
            for frame, status in enumerate(record.status)
        )
        checked = replace(record, status=status)
        return checked if self.config.max_duplicate_bits is None else replace(checked, image_hash=image_hash(checked))

    def _reasons(self, record: SequenceRecord) -> Iterator[tuple[int, str]]:
        """(frame, reason) of the frames to reject."""
        config = self.config
        whole: list[Thumbnail | None] = [None] * len(record.status)
        for frame in record.ok_frames:
            thumbnail = take_thumbnail(record.images[INPUT_IMAGE][frame], config.thumbnail_size, config.white_tolerance)
            if reason := self._picture_reason(thumbnail):
                yield frame, reason
            else:
                whole[frame] = thumbnail
        frozen = [False] * len(whole)
        if config.max_frozen_difference is not None and record.ok_frames:
            frozen = find_frozen(whole, movement(record), config.min_frozen_movement, config.max_frozen_difference)
        for frame, shown in enumerate(whole):
            if frozen[frame]:
                yield frame, "frozen"
            elif (
                shown is not None
                and config.min_silhouette_iou is not None
                and agreement_with_body(shown, record, frame, self.body) < config.min_silhouette_iou
            ):
                yield frame, "silhouette"

    def _picture_reason(self, thumbnail: Thumbnail) -> str | None:
        """What is wrong with a picture whatever the pose."""
        config = self.config
        if config.min_coverage is not None and thumbnail.person.mean() < config.min_coverage:
            return "empty"
        if thumbnail.person.any():
            brightness, contrast = brightness_and_contrast(thumbnail)
            if config.min_brightness is not None and brightness < config.min_brightness:
                return "black"
            if config.min_contrast is not None and contrast < config.min_contrast:
                return "black"
        if config.max_border_share is not None and border_share(thumbnail.person) > config.max_border_share:
            return "cropped"
        return None


class CheckedMaker:
    """A generator whose records have gone through the filters; a ``RecordMaker`` of windows."""

    def __init__(self, generator: RecordMaker[PoseWindow], check: QualityCheck) -> None:
        self.generator, self.check = generator, check
        self.name, self.body_sha256 = generator.name, generator.body_sha256
        self.body_licence, self.image_licence = generator.body_licence, generator.image_licence

    def settings(self) -> Mapping[str, Any]:
        return {**self.generator.settings(), "quality": self.check.settings()}

    def person_seed(self, window: PoseWindow) -> int:
        return self.generator.person_seed(window)

    def make(self, window: PoseWindow) -> SequenceRecord:
        record = self.check(self.generator.make(window))
        provenance = record.provenance.model_copy(update={"generator_settings_sha256": self._settings_sha256})
        return replace(record, provenance=provenance)

    @cached_property
    def _settings_sha256(self) -> str:
        return settings_sha256(self)
