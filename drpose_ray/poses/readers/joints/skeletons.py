"""Names of BVH skeletons' joints, as data: one JSON file a skeleton, ours in ``poses/skeletons`` and users' own.

.. code-block:: json

    {"name": "Mine", "sides": ["Left", "Right"],
     "joints": {"pelvis": "Hips", "neck": "Neck", "head": "Head", "collar": "{side}Clavicle", "shoulder": "{side}Arm",
                "elbow": "{side}ForeArm", "wrist": "{side}Hand", "hip": ["{side}UpLeg", "{side}Thigh"],
                "knee": "{side}Leg", "ankle": "{side}Foot", "foot": "{side}Toe"},
     "axes": {"leg": ["down", "forward"]}}

Keys of ``joints`` are SMPL-X's, values the skeleton's names or lists of alternatives. Spines are not named: they are
what lies between pelvis and neck. Case, blanks, ``_``, ``-`` and ``.`` do not matter, and a prefix that all joints
share (``mixamorig:``, ``Armature|``, ``Character1_``) is found and passed over.

``requires`` names joints that tell this skeleton from others of the same names.

``axes`` is for skeletons whose zero pose is no person standing: in the T-pose, where do a joint's own x and y axes
point to? By part: ``leg`` (hip and knee), ``foot`` (ankle and foot), ``arm`` (collar to wrist), each for both sides or
as ``left_leg``, ...; ``spine`` (above the pelvis, to the head), if they are not the pelvis's. The pelvis needs none:
its directions follow from where hips and neck are: they are those of the coordinate axes next to them, or, with
``"trunk": "measured"``, those of the bones, as CMU's and Daz's skeletons have always been read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import list_files, read_json
from drpose_ray.core.settings.config import Config

PACKAGED: Final = Path(__file__).parents[2] / "skeletons"
_MAX_BYTES: Final = 2**20
_CENTRAL: Final = ("pelvis", "neck", "head")
_PAIRED: Final = ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot")
OPTIONAL: Final = frozenset({"head", "left_collar", "right_collar", "left_foot", "right_foot"})
_PARTS: Final = {"hip": "leg", "knee": "leg", "ankle": "foot", "foot": "foot",
                 "collar": "arm", "shoulder": "arm", "elbow": "arm", "wrist": "arm"}  # fmt: skip
"""A paired joint -> the part of the body whose axes it has."""
_SPINE: Final = ("spine1", "spine2", "spine3", "neck", "head")

Part = Literal[
    "spine", "leg", "left_leg", "right_leg", "foot", "left_foot", "right_foot", "arm", "left_arm", "right_arm"
]
Direction = Literal["left", "right", "up", "down", "forward", "back"]
_DIRECTIONS: Final[dict[Direction, tuple[int, int, int]]] = {
    "left": (1, 0, 0), "up": (0, 1, 0), "forward": (0, 0, 1),
    "right": (-1, 0, 0), "down": (0, -1, 0), "back": (0, 0, -1),
}  # fmt: skip


class _SkeletonFile(Config):
    """What a skeleton's JSON file holds."""

    name: str = Field(min_length=1, max_length=100)
    sides: tuple[str, str]
    joints: dict[str, str | tuple[str, ...]]
    requires: tuple[str, ...] = ()
    trunk: Literal["aligned", "measured"] = "aligned"
    axes: dict[Part, tuple[Direction, Direction]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Skeleton:
    """One naming scheme."""

    name: str
    joints: Mapping[str, tuple[str, ...]]
    """SMPL-X joint -> the names that it may have, spines left out."""
    requires: tuple[str, ...]
    """Joints that have no counterpart and must be there."""
    has_measured_trunk: bool
    """Whether "up" at rest is the line from pelvis to neck, not the coordinate axis next to it."""
    axes: Mapping[str, NDArray[np.float64]]
    """SMPL-X joint -> (3, 3) from SMPL-X's axes to the joint's own in the T-pose; empty where the zero pose is one."""

    def match(self, names: Sequence[str]) -> tuple[dict[str, int], list[str]]:
        """SMPL-X joint -> place among ``names``, under the prefix that fits best, and the names that are missing."""
        places: dict[str, int] = {}
        for place, name in enumerate(names):
            places.setdefault(_plain(name), place)
        roots = [_plain(root) for root in self.joints["pelvis"]]
        prefixes = [""] + [name.removesuffix(root) for name in places for root in roots if name.endswith(root)]
        results = [self._match_with(prefix, places) for prefix in dict.fromkeys(prefixes)]
        return min(results, key=lambda result: len(result[1]))

    def _match_with(self, prefix: str, places: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
        found: dict[str, int] = {}
        missing = [name for name in self.requires if prefix + _plain(name) not in places]
        for joint, names in self.joints.items():
            place = next((places[prefix + _plain(name)] for name in names if prefix + _plain(name) in places), None)
            if place is not None:
                found[joint] = place
            elif joint not in OPTIONAL:
                missing.append(names[0])
        return found, missing


def load_skeletons(own: Sequence[Path] = ()) -> tuple[Skeleton, ...]:
    """The user's ``own`` files first, then the packaged ones, by name.

    Raises:
        InputError: a file is missing or no skeleton; it names the field.
    """
    return tuple(_load(file) for file in (*own, *list_files(PACKAGED, (".json",))))


def _load(file: Path) -> Skeleton:
    value = read_json(file, _MAX_BYTES, "poses.skeletons")
    try:
        stored = _SkeletonFile.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"no skeleton ({first['msg']})", file=file, field=".".join(map(str, first["loc"])) or "poses.skeletons",
            remedy="see docs/motions.md for the format",
        ) from error  # fmt: skip
    unknown = sorted(set(stored.joints) - {*_CENTRAL, *_PAIRED})
    needed = {*_CENTRAL, *_PAIRED} - {name.split("_")[-1] for name in OPTIONAL}
    if unknown or not needed <= set(stored.joints):
        raise InputError(
            "unknown joints" if unknown else "joints are missing", file=file, field="joints",
            value=unknown or sorted(needed - set(stored.joints)),
            remedy=f"name {', '.join((*_CENTRAL, *_PAIRED))}; head, collar and foot may be left out",
        )  # fmt: skip
    joints: dict[str, tuple[str, ...]] = {}
    for joint, names in stored.joints.items():
        alternatives = (names,) if isinstance(names, str) else names
        if not alternatives:
            raise InputError("a joint without a name", file=file, field=f"joints.{joint}", remedy="name it")
        for side, word in zip(("left", "right"), stored.sides, strict=True) if joint in _PAIRED else (("", ""),):
            key = f"{side}_{joint}" if side else joint
            joints[key] = tuple(name.replace("{side}", word) for name in alternatives)
    return Skeleton(stored.name, joints, stored.requires, stored.trunk == "measured", _axes(stored.axes, file))


def _axes(stored: Mapping[Part, tuple[Direction, Direction]], file: Path) -> dict[str, NDArray[np.float64]]:
    """SMPL-X joint -> (3, 3), of those whose axes are stored; a side's own come before those of both."""
    frames = {part: _frame(*directions, file) for part, directions in stored.items()}
    axes = dict.fromkeys(_SPINE, frames["spine"]) if "spine" in frames else {}
    for side in ("left", "right"):
        for joint, part in _PARTS.items():
            own = next((frames[name] for name in (f"{side}_{part}", part) if name in frames), None)
            if own is not None:
                axes[f"{side}_{joint}"] = own
    return axes


def _frame(x: Direction, y: Direction, file: Path) -> NDArray[np.float64]:
    """(3, 3) from the body's left, up and forward to axes of which the first points to ``x``, the second to ``y``."""
    first, second = np.array(_DIRECTIONS[x], float), np.array(_DIRECTIONS[y], float)
    if first @ second:
        raise InputError(
            "two axes along one line", file=file, field="axes", value=[x, y], remedy="give perpendicular directions"
        )
    return np.stack([first, second, np.cross(first, second)])


def _plain(name: str) -> str:
    """A name without what exporters change: case, blanks and separators."""
    return "".join(letter for letter in name.casefold() if letter not in " _-.")
