"""Settings of pose selection: the ``poses:`` section."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from drpose_ray.config import Config


class PosesConfig(Config):
    """Which motions to read and how many pose windows to take from them."""

    motions: tuple[Path, ...] = Field(
        default=(Path("data/cmu_subset/cmu_subset.npz"),),
        description="folders of Motion-X .npy clips, or clip-indexed .npz files",
    )
    licence: str = Field(default="unstated", description="terms recorded for motions that do not state their own")
    fps: float = Field(default=30, gt=0, description="frame rate of the windows; must divide the motions' own")
    num_dance_clips: int = Field(default=30, ge=0, description="procedural dance clips added to the motions")
    dance_seconds: float = Field(default=20, gt=0, description="length of a procedural clip")
    window: int = Field(default=10, ge=1, description="frames per sequence: the pick and its neighbours (Sec. 3.2)")
    num_train: int = Field(default=200, ge=1, description="windows to train on (1,500 in the paper)")
    num_val: int = Field(default=32, ge=0, description="windows that settings are chosen on")
    num_test: int = Field(default=64, ge=0, description="held-out windows that results are reported on")
    val_share: float = Field(default=0.15, ge=0, lt=0.5, description="share of the recordings kept for validation")
    test_share: float = Field(default=0.2, ge=0, lt=0.5, description="share of the recordings kept for the test")
