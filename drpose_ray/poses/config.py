"""Settings of pose selection: the ``poses:`` section."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.core.settings.config import Config
from drpose_ray.poses.readers.aist.translation import AistTranslation
from drpose_ray.poses.split import SplitBy


class DanceConfig(Config):
    """Procedural dances that are added to the motions."""

    num_clips: int = Field(default=30, ge=0, le=10_000, description="Number of procedural dance clips.")
    seconds: float = Field(default=20, gt=0, le=3_600, description="Length of each of them in seconds.")


class CoreSetConfig(Config):
    """Sampling in two rounds: first in parts, then among what the parts gave."""

    picks: int = Field(ge=1, description="Number of picks in each part, no fewer than the windows of a split.")
    parts: int = Field(default=8, ge=1, description="Number of parts of the first round.")


class PosesConfig(Config):
    """Which motions to read and how many pose windows to take from them."""

    COMMON = ("motions", "num_train", "num_val", "num_test", "dance.num_clips")

    motions: tuple[Path, ...] = Field(
        default=(Path("data/cmu_subset/cmu_subset.npz"),),
        description="Motion-X trees, folders of AIST++, AMASS, BEAT2, SMPL, GVHMR, WHAM or BVH files, or single files.",
    )
    without: tuple[str, ...] = Field(
        default=(), description="Clips to leave out, by names or patterns, e.g. 94_* for all of a CMU subject."
    )
    final_test: Path | None = Field(
        default=None, description="List of the clips that no training may see; null: the list of this release."
    )
    aist_translation: AistTranslation = Field(
        default="auto",
        description="Translations of Motion-X's AIST subset. raw: as downloaded; metres: its script was run; auto: "
        "judged by their spans.",
    )
    up_axis: Literal["auto", "y", "z"] = Field(
        default="auto",
        description="Up axis of AMASS-like, SMPL, GVHMR, WHAM and BVH files; auto judges by how people stand.",
    )
    unstated_fps: float = Field(
        default=30, ge=1, le=10_000, description="Frame rate of SMPL poses and of results from videos that state none."
    )
    skeletons: tuple[Path, ...] = Field(
        default=(), description="JSON files of BVH skeletons beside the known ones (docs/motions.md)."
    )
    trust_up_axis: bool = Field(default=False, description="Whether to skip the check that people stand along +y.")
    licence: str = Field(default="unstated", description="Terms recorded for motions that do not state their own.")
    fps: float = Field(
        default=30, ge=1, le=1_000, description="Frame rate of the windows; motions of other rates are resampled."
    )
    dance: DanceConfig = Field(default=DanceConfig(), description="Procedural dances that are added to the motions.")
    window: int = Field(
        default=10, ge=1, le=10_000, description="Number of frames of a window: the pick and its neighbours (Sec. 3.2)."
    )
    num_train: int = Field(default=200, ge=1, description="Number of windows to train on (1,500 in the paper).")
    num_val: int = Field(default=32, ge=0, description="Number of windows that settings are chosen on.")
    num_test: int = Field(default=64, ge=0, description="Number of held-out windows that results are reported on.")
    max_windows_per_clip: int | None = Field(
        default=None, ge=1, description="Number of windows that one clip gives at most; null sets no limit."
    )
    continues: Path | None = Field(
        default=None,
        description="Picks (picks.npz) of an earlier selection, whose windows come first and unchanged before more "
        "are added.",
    )
    actors: int = Field(
        default=0, ge=0, description="Number of Ray actors that share the search for farthest points; 0 uses no Ray."
    )
    core_set: CoreSetConfig | None = Field(
        default=None, description="Sampling in two rounds, an approximation for many poses; null samples exactly."
    )
    compare: dict[str, Path] = Field(
        default_factory=dict, description="Selections or motions to show beside this one in diversity.png, by name."
    )
    split_by: SplitBy = Field(
        default="move",
        description="What no two splits share: a move (genre and move, or AIST++ choreography), an AIST++ dancer, or "
        "a CMU subject.",
    )
    val_share: float = Field(default=0.15, ge=0, lt=0.5, description="Share of the recordings kept for validation.")
    test_share: float = Field(default=0.2, ge=0, lt=0.5, description="Share of the recordings kept for the test.")

    @model_validator(mode="after")
    def _check_core_set(self) -> PosesConfig:
        most = max(self.num_train, self.num_val, self.num_test)
        if self.core_set and self.core_set.picks < most:
            raise ValueError(f"core_set.picks {self.core_set.picks} are fewer than the {most} windows of a split")
        return self
