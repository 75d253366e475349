"""Select challenging poses (Sec. 3.2): motions -> ``selection.parquet``.

Normal:     drpose poses select --config configs/small.yaml --poses.motions '["path/to/motions"]'
More:       the same with another --run.folder, --poses.num_train 5000 and --poses.continues <earlier run>/picks.npz
At scale:   --poses.actors 16, exactly; --poses.core_set.picks 20000, in two rounds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.job import run_job
from drpose_ray.core.progress import Progress
from drpose_ray.core.runs.run import RunSettings, Summary, open_run
from drpose_ray.core.seeding import stream
from drpose_ray.core.settings.config import Config, load_config
from drpose_ray.poses.clip import MotionClip, measured
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.final_test import refuse_final_test
from drpose_ray.poses.procedural.standing import draw_standing
from drpose_ray.poses.readers.motions import gather_motions, refuse_duplicates
from drpose_ray.poses.sampling.core_set import CoreSetSampler, FirstRound, MakeSampler, pick_each_part
from drpose_ray.poses.sampling.farthest import LocalSampler
from drpose_ray.poses.sampling.picks import read_picks, write_picks
from drpose_ray.poses.sampling.selection import Selection, select_windows
from drpose_ray.poses.split import split_clips

SELECTION_FILE = "selection.parquet"
PICKS_FILE = "picks.npz"


class SelectPosesConfig(Config):
    """Settings of pose selection."""

    USES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("folder", "seed"),
    }

    run: RunSettings = Field(default=RunSettings(), description="Where the run is kept, and its seed.")
    poses: PosesConfig = Field(default=PosesConfig(), description="Motions and how many windows to select.")


class SplitSummary(Summary):
    """What was selected from one split."""

    num_clips: int
    num_frames: int
    refused_frames: dict[str, int] = Field(description="frames refused by reason; one may count for several")
    num_short_clips: int = Field(description="clips with fewer frames than a window")
    num_windows: int
    num_overlapping_picks: int = Field(description="picks passed over: earlier windows hold the frames around them")
    radius_mm: float = Field(description="distance of the last pick to the earlier ones, RMS per joint")
    diversity_mm: float = Field(description="Fig. 4 measure of the windows")
    num_windows_by_source: dict[str, int]


class SelectPosesSummary(Summary):
    """What ``summary.json`` reports."""

    selection: str = Field(description="file of the windows, in the run folder")
    picks: str = Field(description="file of all picks, in the run folder: what poses.continues continues")
    alignment: str = Field(description="how poses are aligned before diversity is measured")
    diversity_mm_by_set: dict[str, float] = Field(description="Fig. 4 measure of each set in diversity.png")
    splits: dict[str, SplitSummary]


CONFIG, SUMMARY = SelectPosesConfig, SelectPosesSummary


@run_job
def main(argv: Sequence[str] | None = None) -> None:
    """Run the job."""
    config = load_config(SelectPosesConfig, argv)
    with open_run(config, config.run.folder / "select_poses", "select_poses") as run, Progress("selecting poses"):
        summary = select(config, run.folder)
        run.finish(summary)
    windows = ", ".join(f"{split.num_windows} {name}" for name, split in summary.splits.items())
    clips = sum(split.num_clips for split in summary.splits.values())
    print(f"windows from {clips} clips: {windows}: {run.folder / SELECTION_FILE}")


def select(config: SelectPosesConfig, folder: Path) -> SelectPosesSummary:
    """Write ``selection.parquet``, ``picks.npz`` and ``diversity.png`` into ``folder``."""
    from drpose_ray.poses.sampling.diversity import ALIGNMENT, diversity_mm, plot_diversity
    from drpose_ray.poses.sampling.pose_rows import read_pose_rows
    from drpose_ray.poses.windows_file import write_selection

    poses, seed = config.poses, config.run.seed
    clips = _gather(poses, seed)
    earlier = read_picks(poses.continues, _sequence_settings(poses)) if poses.continues else {}
    compared = {name: read_pose_rows(path, poses) for name, path in poses.compare.items()}
    wanted = {"train": poses.num_train, "val": poses.num_val, "test": poses.num_test}
    shares = {
        "train": 1.0,
        "val": poses.val_share if poses.num_val else 0.0,
        "test": poses.test_share if poses.num_test else 0.0,
    }
    dealt = split_clips(clips, shares, poses.split_by)
    refuse_final_test(dealt["train"], poses.final_test)
    with _sampling(poses) as make_sampler:
        selections = {
            split: select_windows(
                dealt[split],
                num,
                poses.window,
                max_per_clip=poses.max_windows_per_clip,
                earlier=earlier.get(split, ()),
                make_sampler=make_sampler,
            )
            for split, num in wanted.items()
            if shares[split] > 0
        }
    chosen = {split: np.concatenate([w.motion for w in selection.windows]) for split, selection in selections.items()}
    sets = {
        "standing": draw_standing(stream(seed, "standing"), 1000),
        "all frames": np.concatenate([clip.motion[measured(clip.motion)] for clip in clips]),
    } | {f"selected {split}": rows for split, rows in chosen.items()}
    _refuse_taken_names(compared, sets)
    sets |= compared
    write_selection(folder / SELECTION_FILE, {split: selection.windows for split, selection in selections.items()})
    write_picks(
        folder / PICKS_FILE,
        {split: selection.picks for split, selection in selections.items()},
        _sequence_settings(poses),
    )
    plot_diversity(sets, folder / "diversity.png")
    return SelectPosesSummary(
        selection=SELECTION_FILE,
        picks=PICKS_FILE,
        alignment=ALIGNMENT,
        diversity_mm_by_set={name: diversity_mm(rows) for name, rows in sets.items()},
        splits={
            split: _summarise(dealt[split], selection, diversity_mm(chosen[split]))
            for split, selection in selections.items()
        },
    )


def _sequence_settings(poses: PosesConfig) -> dict[str, object]:
    """What must not change if an earlier sequence of picks is continued. Actors do not matter: they change no pick."""
    names = ("fps", "window", "max_windows_per_clip", "split_by", "val_share", "test_share")
    settings: dict[str, object] = {name: getattr(poses, name) for name in names}
    if poses.core_set is None:
        return settings | {"core_set_picks": None}
    return settings | {"core_set_picks": poses.core_set.picks, "core_set_parts": poses.core_set.parts}


@contextmanager
def _sampling(poses: PosesConfig) -> Iterator[MakeSampler]:
    """How farthest points are found, and what has to run for it."""
    make_sampler: MakeSampler = LocalSampler
    first_round: FirstRound = pick_each_part
    with ExitStack() as stack:
        if poses.actors:
            # Importing Ray takes seconds, which a small selection should not pay.
            from drpose_ray.core.on_ray import local_or_cluster_ray
            from drpose_ray.poses.sampling.on_ray import SamplerOnRay, pick_each_part_on_ray

            stack.enter_context(local_or_cluster_ray(num_cpus=poses.actors))
            make_sampler, first_round = partial(SamplerOnRay, num_actors=poses.actors), pick_each_part_on_ray
        if poses.core_set:
            make_sampler = partial(
                CoreSetSampler,
                num_parts=poses.core_set.parts,
                num_per_part=poses.core_set.picks,
                first_round=first_round,
            )
        yield make_sampler


def _refuse_taken_names(compared: Mapping[str, object], sets: Mapping[str, object]) -> None:
    taken = sorted(compared.keys() & sets.keys())
    if taken:
        raise InputError(
            "sets to compare have names of this job's own",
            field="poses.compare",
            value=taken,
            remedy="give them other names",
        )


def _gather(poses: PosesConfig, seed: int) -> list[MotionClip]:
    from drpose_ray.poses.procedural.dance import generate_dances

    clips = gather_motions(poses)
    clips += generate_dances(seed, poses.dance.num_clips, round(poses.dance.seconds * poses.fps), poses.fps)
    if not clips:
        raise InputError("no motions", field="poses.motions", remedy="give motions, or poses.dance.num_clips above 0")
    refuse_duplicates(clips)
    return clips


def _summarise(clips: Sequence[MotionClip], selection: Selection, diversity: float) -> SplitSummary:
    sources = [window.source for window in selection.windows]
    return SplitSummary(
        num_clips=len(clips),
        num_frames=selection.num_frames,
        refused_frames=selection.refused,
        num_short_clips=selection.num_short_clips,
        num_windows=len(selection.windows),
        num_overlapping_picks=selection.num_overlapping_picks,
        radius_mm=selection.radius_mm,
        diversity_mm=diversity,
        num_windows_by_source={source: sources.count(source) for source in sorted(set(sources))},
    )
