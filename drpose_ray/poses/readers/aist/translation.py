"""The one-time fix of Motion-X's AIST translations: divide by 94, turn z round (docs/facts/mimo.md, 5.3).

Motion-X ships a script that does this to the files in place; run twice it ruins them. Here it is done in memory, and
what was stored is found out first, so that it cannot be done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Final, Literal

import numpy as np

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import is_there
from drpose_ray.geometry.motion_row import TRANSLATION
from drpose_ray.poses.clip import MotionClip

AistTranslation = Literal["auto", "raw", "metres"]
MARKER: Final = ".aist_translation_converted"
"""A file of this name beside or above the clips says that Motion-X's own script has been run on them."""

_UNITS_PER_METRE: Final = 94.0
_LARGEST_SPAN: Final = 10.0
"""Dancers of a few seconds move between 0.1 and 10 m along an axis, hence 9.4 to 940 of the stored units."""
_SMALLEST_SPAN: Final = 0.03
"""Below this for half of the clips, in metres: what converting twice leaves of a dance."""
_SETTING: Final = "poses.aist_translation"


def is_aist(folder_name: str, relative: PurePath) -> bool:
    """Whether a clip of Motion-X belongs to its AIST subset, by the folders it lies in."""
    return "aist" in (folder_name.lower(), *(part.lower() for part in relative.parts[:-1]))


def is_marked_converted(folder: Path, root: Path) -> bool:
    """Whether ``MARKER`` lies in ``folder`` or between it and ``root``, or in the AIST folder below."""
    above = [path for path in (folder.absolute(), *folder.absolute().parents) if path.is_relative_to(root)]
    return any(is_there(path / MARKER) for path in (root, root / "aist", *above))


def in_metres(clips: Sequence[MotionClip], setting: AistTranslation, folder: Path, *, marked: bool) -> list[MotionClip]:
    """The clips with the translations of the AIST subset in metres; ``source`` says whether they were converted.

    Args:
        setting: ``raw`` if the files are as downloaded, ``metres`` if Motion-X's script has been run, ``auto`` to judge
            by the spans of the translations.
        folder: What the clips were read from, for messages.
        marked: Whether ``MARKER`` was found; it means ``metres``.

    Raises:
        InputError: the spans contradict the setting or the marker, disagree with each other, or look converted twice.
    """
    aist = [clip for clip in clips if "aist" in clip.source.lower().split()]
    if not aist:
        return list(clips)
    spans = np.array([_span(clip) for clip in aist])
    raw = _decide(spans, [clip.name for clip in aist], setting, folder, marked=marked)
    chosen = {id(clip) for clip in aist}
    return [_noted(clip, convert=raw) if id(clip) in chosen else clip for clip in clips]


def _decide(spans: np.ndarray, names: Sequence[str], setting: AistTranslation, folder: Path, *, marked: bool) -> bool:
    """Whether what is stored is raw."""
    middle, looks_raw = float(np.median(spans)), spans > _LARGEST_SPAN
    if middle < _SMALLEST_SPAN:
        raise _refusal("translations hardly change: the AIST fix was applied twice", middle, folder, _AGAIN)
    if marked and setting == "raw":
        raise _refusal(f"the setting says raw, the file {MARKER} says converted", middle, folder, "correct one of them")
    if marked or setting == "metres":
        if middle > _LARGEST_SPAN:
            raise _refusal("translations are said to be in metres and span too much", middle, folder, _AGAIN)
        return False
    if setting == "raw":
        if middle <= _LARGEST_SPAN:
            raise _refusal("translations are said to be raw and are in metres already", middle, folder, "say 'metres'")
        return True
    if looks_raw.any() and not looks_raw.all():
        fewer = looks_raw if looks_raw.mean() < 0.5 else ~looks_raw
        raise _refusal(
            f"{int(looks_raw.sum())} of {len(spans)} AIST clips look raw and the others converted, "
            f"e.g. {names[int(fewer.argmax())]}",
            middle,
            folder,
            "copy the subset again, or say 'raw' or 'metres' if you know that all clips are alike",
        )
    return bool(looks_raw.all())


def _span(clip: MotionClip) -> float:
    """The largest extent of the translation along an axis, over finite frames."""
    translation = clip.motion[:, TRANSLATION]
    return float(np.ptp(translation[np.isfinite(translation).all(1)], axis=0).max(initial=0))


def _noted(clip: MotionClip, *, convert: bool) -> MotionClip:
    if not convert:
        return replace(clip, source=f"{clip.source} (translation as stored)")
    motion = clip.motion.copy()
    motion[:, TRANSLATION] *= np.array([1, 1, -1], np.float32) / np.float32(_UNITS_PER_METRE)
    return replace(clip, motion=motion, source=f"{clip.source} (translation converted on reading)")


def _refusal(problem: str, span: float, folder: Path, remedy: str) -> InputError:
    return InputError(f"{problem}; median span {span:.3g}", file=folder, field=_SETTING, remedy=remedy)


_AGAIN: Final = "copy the subset again as it was downloaded"
