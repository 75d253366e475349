"""Select challenging poses (Sec. 3.2): motions -> ``selection.npz``.

python -m jobs.select_poses --config configs/small.yaml --poses.motions '[path/to/motions]'
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from drpose_ray.config import Config, load_config
from drpose_ray.errors import InputError
from drpose_ray.poses.clip import MotionClip
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.dance import generate_dances
from drpose_ray.poses.diversity import ALIGNMENT, diversity_mm, plot_diversity
from drpose_ray.poses.motionx import gather_motions, refuse_duplicates
from drpose_ray.poses.selection import Selection, select_windows, write_selection
from drpose_ray.poses.split import split_clips
from drpose_ray.poses.standing import draw_standing
from drpose_ray.runs import RunSettings, Summary, open_run
from drpose_ray.seeding import stream
from jobs import run_job

SELECTION_FILE = "selection.npz"


class SelectPosesConfig(Config):
    """Settings of pose selection."""

    run: RunSettings = Field(default=RunSettings(), description="where the run is kept, and its seed")
    poses: PosesConfig = Field(default=PosesConfig(), description="motions and how many windows to select")


class SplitSummary(Summary):
    """What was selected from one split."""

    num_clips: int
    num_frames: int
    refused_frames: dict[str, int] = Field(description="frames refused by reason; one may count for several")
    num_windows: int
    num_overlapping_picks: int = Field(description="picks passed over: earlier windows hold the frames around them")
    radius_mm: float = Field(description="distance of the last pick to the earlier ones, RMS per joint")
    diversity_mm: float = Field(description="Fig. 4 measure of the windows")
    num_windows_by_source: dict[str, int]


class SelectPosesSummary(Summary):
    """What ``summary.json`` reports."""

    selection: str = Field(description="file of the windows, in the run folder")
    alignment: str = Field(description="how poses are aligned before diversity is measured")
    diversity_mm_by_set: dict[str, float] = Field(description="Fig. 4 measure of each set in diversity.png")
    splits: dict[str, SplitSummary]


CONFIG, SUMMARY = SelectPosesConfig, SelectPosesSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    """Run the job."""
    config = load_config(SelectPosesConfig, argv)
    with open_run(config, config.run.folder / "select_poses", "select_poses") as run:
        run.finish(select(config, run.folder))


def select(config: SelectPosesConfig, folder: Path) -> SelectPosesSummary:
    """Write ``selection.npz`` and ``diversity.png`` into ``folder``."""
    poses, seed = config.poses, config.run.seed
    clips = _gather(poses, seed)
    wanted = {"train": poses.num_train, "val": poses.num_val, "test": poses.num_test}
    shares = {
        "train": 1.0,
        "val": poses.val_share if poses.num_val else 0.0,
        "test": poses.test_share if poses.num_test else 0.0,
    }
    dealt = split_clips(clips, shares, poses.split_by)
    selections = {
        split: select_windows(dealt[split], num, poses.window) for split, num in wanted.items() if shares[split] > 0
    }
    chosen = {split: np.concatenate([w.motion for w in selection.windows]) for split, selection in selections.items()}
    sets = {
        "standing": draw_standing(stream(seed, "standing"), 1000),
        "all frames": np.concatenate([clip.motion for clip in clips]),
    } | {f"selected {split}": rows for split, rows in chosen.items()}
    write_selection(folder / SELECTION_FILE, {split: selection.windows for split, selection in selections.items()})
    plot_diversity(sets, folder / "diversity.png")
    return SelectPosesSummary(
        selection=SELECTION_FILE,
        alignment=ALIGNMENT,
        diversity_mm_by_set={name: diversity_mm(rows) for name, rows in sets.items()},
        splits={
            split: _summarise(dealt[split], selection, diversity_mm(chosen[split]))
            for split, selection in selections.items()
        },
    )


def _gather(poses: PosesConfig, seed: int) -> list[MotionClip]:
    clips = gather_motions(poses)
    clips += generate_dances(seed, poses.num_dance_clips, round(poses.dance_seconds * poses.fps), poses.fps)
    if not clips:
        raise InputError("no motions", field="poses.motions", remedy="give motions, or poses.num_dance_clips above 0")
    refuse_duplicates(clips)
    return clips


def _summarise(clips: Sequence[MotionClip], selection: Selection, diversity: float) -> SplitSummary:
    sources = [window.source for window in selection.windows]
    return SplitSummary(
        num_clips=len(clips),
        num_frames=selection.num_frames,
        refused_frames=selection.refused,
        num_windows=len(selection.windows),
        num_overlapping_picks=selection.num_overlapping_picks,
        radius_mm=selection.radius_mm,
        diversity_mm=diversity,
        num_windows_by_source={source: sources.count(source) for source in sorted(set(sources))},
    )


if __name__ == "__main__":
    sys.exit(main())
