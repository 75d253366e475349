"""How cmu_subset.npz was made: lively clips of a converted CMU file (see README.md), thinned to 30 fps.

python data/cmu_subset/make_subset.py <cmu_subset_motionx322.npz>
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.geometry.motion_row import JOINT_ROTATIONS, NUM_COLUMNS, TRANSLATION
from drpose_ray.poses.readers.motions import read_motions

FPS = 30
CLIPS = (
    "01_08", "01_14",  # playground climb
    "02_05", "02_06", "02_07", "02_08", "02_09", "02_10",  # punch, bend, sword
    "05_02", "05_03", "05_04", "05_07", "05_08", "05_09", "05_10", "05_12", "05_13", "05_14", "05_15", "05_16",
    "05_18", "05_19", "05_20",  # modern dance
    "13_11", "13_14", "13_16", "13_31", "13_32", "13_39", "14_08", "14_17", "14_30", "14_36",  # jumps, everyday
)  # fmt: skip
SOURCE = "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu"
LICENCE = "CMU mocap: free for research and commercial use, acknowledgement requested"


def main(converted: Path) -> None:
    """Write ``cmu_subset.npz`` beside this script."""
    clips = {clip.name: clip for clip in read_motions(converted, FPS)}
    chosen = [clips[name] for name in CLIPS]
    motion = np.zeros((sum(len(clip.motion) for clip in chosen), NUM_COLUMNS), np.float16)
    for columns in (JOINT_ROTATIONS, TRANSLATION):  # the recordings have no hands, face or shape
        motion[:, columns] = np.concatenate([clip.motion[:, columns] for clip in chosen])
    valid = [np.ones(len(clip.motion), bool) if clip.valid is None else clip.valid for clip in chosen]
    with (
        replace_when_complete(Path(__file__).with_name("cmu_subset.npz")) as temporary,
        temporary.open("wb") as stream,
    ):
        np.savez_compressed(
            stream,
            motion=motion,
            clip_start=np.cumsum([0, *(len(clip.motion) for clip in chosen)]),
            clip_name=np.array(CLIPS),
            fps=np.float64(FPS),
            valid=np.concatenate(valid),
            source=np.array(SOURCE),
            licence=np.array(LICENCE),
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
