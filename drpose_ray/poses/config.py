"""Settings of pose selection: the ``poses:`` section."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from drpose_ray.config import Config
from drpose_ray.poses.readers.aist_translation import AistTranslation
from drpose_ray.poses.split import SplitBy


class PosesConfig(Config):
    """Which motions to read and how many pose windows to take from them."""

    motions: tuple[Path, ...] = Field(
        default=(Path("data/cmu_subset/cmu_subset.npz"),),
        description="Motion-X trees, folders of AIST++, AMASS, BEAT2, SMPL, GVHMR, WHAM or BVH files, or single files",
    )
    aist_translation: AistTranslation = Field(
        default="auto",
        description="translations of Motion-X's AIST subset: raw as downloaded, metres once its script was run; "
        "auto: judged by their spans",
    )
    up_axis: Literal["auto", "y", "z"] = Field(
        default="auto",
        description="up axis of AMASS-like, SMPL, GVHMR, WHAM and BVH files; auto: judged by how people stand",
    )
    unstated_fps: float = Field(
        default=30, ge=1, le=10_000, description="frame rate of SMPL poses and of results from videos that state none"
    )
    skeletons: tuple[Path, ...] = Field(
        default=(), description="JSON files of BVH skeletons beside the known ones (docs/motions.md)"
    )
    trust_up_axis: bool = Field(default=False, description="skip the check that people stand along +y")
    licence: str = Field(default="unstated", description="terms recorded for motions that do not state their own")
    fps: float = Field(
        default=30, ge=1, le=1_000, description="frame rate of the windows; motions of other rates are resampled"
    )
    num_dance_clips: int = Field(default=30, ge=0, le=10_000, description="procedural dance clips added to the motions")
    dance_seconds: float = Field(default=20, gt=0, le=3_600, description="length of a procedural clip")
    window: int = Field(
        default=10, ge=1, le=10_000, description="frames per sequence: the pick and its neighbours (Sec. 3.2)"
    )
    num_train: int = Field(default=200, ge=1, description="windows to train on (1,500 in the paper)")
    num_val: int = Field(default=32, ge=0, description="windows that settings are chosen on")
    num_test: int = Field(default=64, ge=0, description="held-out windows that results are reported on")
    max_windows_per_clip: int | None = Field(default=None, ge=1, description="windows that one clip gives at most")
    continues: Path | None = Field(
        default=None,
        description="picks.npz of an earlier selection: its windows come first and unchanged, more are added",
    )
    actors: int = Field(default=0, ge=0, description="Ray actors that share the search for farthest points; 0: none")
    core_set_picks: int | None = Field(
        default=None,
        ge=1,
        description="sample in two rounds, first so many picks in each part (no fewer than windows); null: exactly",
    )
    core_set_parts: int = Field(default=8, ge=1, description="parts of the first round of two")
    compare: dict[str, Path] = Field(
        default_factory=dict, description="selections or motions to show beside this one in diversity.png, by name"
    )
    split_by: SplitBy = Field(
        default="move",
        description="what no two splits share: a move (genre and move, or AIST++ choreography) or an AIST++ dancer",
    )
    val_share: float = Field(default=0.15, ge=0, lt=0.5, description="share of the recordings kept for validation")
    test_share: float = Field(default=0.2, ge=0, lt=0.5, description="share of the recordings kept for the test")

    @model_validator(mode="after")
    def _check_core_set(self) -> PosesConfig:
        most = max(self.num_train, self.num_val, self.num_test)
        if self.core_set_picks is not None and self.core_set_picks < most:
            raise ValueError(f"core_set_picks {self.core_set_picks} are fewer than the {most} windows of a split")
        return self
