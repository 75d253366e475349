"""What a reader of motions is told, whatever it reads."""

from __future__ import annotations

from dataclasses import dataclass

from drpose_ray.poses.clip import UNSTATED, UpAxis
from drpose_ray.poses.readers.aist.translation import AistTranslation
from drpose_ray.poses.readers.joints.skeletons import Skeleton


@dataclass(frozen=True)
class Reading:
    """Settings of one reading; `read_motions` says what each means."""

    skeletons: tuple[Skeleton, ...]
    fps: float = 30
    licence: str = UNSTATED
    aist_translation: AistTranslation = "auto"
    unstated_fps: float = 30
    up_axis: UpAxis | None = None
    """The axis of layouts that leave it open; None: the layout's usual one, to be judged by the people's posture."""

    def terms(self, own: str) -> str:
        """The licence of a clip whose data set has terms of its ``own``."""
        return own if self.licence == UNSTATED else self.licence
