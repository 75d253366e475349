"""The final test set: clips on which a release is tested once, and which no training may have seen."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import read_text
from drpose_ray.poses.clip import MotionClip

FINAL_TEST: Final = Path(__file__).with_name("final_test_motions.txt")
"""The list of this release, which goes with the package: a job in any folder keeps to it."""

_LINE = re.compile(r"(\S+)\s+([0-9a-f]{64})")
_OF_A_DATASET = re.compile(r"(_poses|_stageii)$")


def first_row_sha256(clip: MotionClip) -> str:
    """What a clip is known by under another name and at another frame rate: its first row, in half precision."""
    return hashlib.sha256(np.asarray(clip.motion[:1], "<f2").tobytes()).hexdigest()


def read_final_test(file: Path) -> dict[str, str]:
    """Clip names with `first_row_sha256`, one pair a line, ``#`` for comments. Raises InputError for anything else."""
    clips: dict[str, str] = {}
    for number, line in enumerate(read_text(file, field="poses.final_test").splitlines(), 1):
        content = line.split("#")[0].strip()
        pair = _LINE.fullmatch(content)
        if pair:
            clips[pair[1]] = pair[2]
        elif content:
            raise InputError(
                f"line {number} is not a clip's name and a SHA-256", file=file, field="poses.final_test",
                value=content[:80], remedy="take the list from the repository again",
            )  # fmt: skip
    return clips


def refuse_final_test(clips: Iterable[MotionClip], file: Path | None = None) -> None:
    """InputError if one of ``clips``, which are to be trained on, is in a list by name or by content.

    Args:
        file: another list than this release's.
    """
    file = file or FINAL_TEST
    final = read_final_test(file)
    contents = set(final.values())
    found = [
        clip.name
        for clip in clips
        if _OF_A_DATASET.sub("", clip.name.split("/")[-1]) in final or first_row_sha256(clip) in contents
    ]
    if found:
        raise InputError(
            f"{len(found)} clips to train on are in the final test set", file=file, field="poses.motions",
            value=found[:5], remedy="leave them out with poses.without",
        )  # fmt: skip
