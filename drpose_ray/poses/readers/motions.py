"""Motions as clips of Motion-X rows, whatever they are stored as: the one way to read them (Sec. 3.2's pose source)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.arrays import field_names, load_fields
from drpose_ray.core.files.reading import is_there, list_files, named_refusals
from drpose_ray.poses.clip import UNSTATED, MotionClip, UpAxis
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.readers.aist.aistpp import is_aistpp, read_aistpp
from drpose_ray.poses.readers.aist.translation import AistTranslation
from drpose_ray.poses.readers.amass import is_amass, is_amass_shape_file, read_amass
from drpose_ray.poses.readers.budget import MAX_NAME
from drpose_ray.poses.readers.clip_archive import is_clip_archive, read_clip_archive
from drpose_ray.poses.readers.joints.bvh_clip import read_bvh
from drpose_ray.poses.readers.joints.skeletons import load_skeletons
from drpose_ray.poses.readers.motionx_tree import read_motionx_tree
from drpose_ray.poses.readers.reading import Reading
from drpose_ray.poses.readers.smpl_params import NAMES, is_smpl_params, read_smpl_params
from drpose_ray.poses.readers.tensors import load_tensors
from drpose_ray.poses.readers.up_axis import check_up_axis, make_upright

__all__ = ["MotionClip", "gather_motions", "read_configured", "read_motions", "refuse_duplicates"]

_KINDS: Final = (".npy", ".npz", ".bvh", ".pt")
_GVHMR_INNER: Final = "smpl_params_global"
_GVHMR_WORK: Final = "preprocess"
"""GVHMR's folder of features and boxes beside its results, which are ``.pt`` too."""


def read_motions(
    path: Path,
    fps: float = 30,
    licence: str = UNSTATED,
    *,
    aist_translation: AistTranslation = "auto",
    trust_up_axis: bool = False,
    up_axis: UpAxis | None = None,
    unstated_fps: float = 30,
    skeletons: Sequence[Path] = (),
) -> list[MotionClip]:
    """Read every clip at or below ``path``, in the order of their names or of the file, at ``fps``.

    What is read follows from what is there:

    * ``.npy``: Motion-X, rows (T, 322) at 30 fps (`poses.readers.motionx_tree`), or SMPL's poses (T, 72);
    * ``.npz`` with ``motion``, ``clip_start``, ``clip_name``, ``fps``: clips (`poses.readers.clip_archive`);
    * ``.npz`` with ``smpl_poses``, ``smpl_trans``, ``smpl_scaling``: one AIST++ sequence (`poses.readers.aist.aistpp`);
    * ``.npz`` with ``poses`` or ``root_orient`` and ``pose_body``, ``trans``, ``mocap_framerate``: AMASS, BEAT2, SMPL
      (`poses.readers.amass`); AMASS's ``shape.npz`` and ``*_stagei.npz`` hold no motion and are left out;
    * ``.npz`` or ``.pt`` with ``global_orient``, ``body_pose``, ``transl`` (GVHMR) or ``poses_world``, ``trans_world``
      (WHAM): `poses.readers.smpl_params`;
    * ``.bvh``: a skeleton of ``poses/skeletons`` or of the user's, retargeted (`poses.readers.joints.retarget`).

    A folder is read with its subfolders, linked ones too, and holds one kind; hidden files are left out. Clips are
    named by their path below it, without extension.

    Args:
        path: A folder or a file.
        fps: Target rate. Frames are taken at an integer stride where there is one, else interpolated (`resample`).
        licence: Terms recorded for data that does not state its own; by default those of the data set, where known.
        aist_translation: How the translations of Motion-X's AIST subset are stored (`poses.readers.aist.translation`).
        trust_up_axis: Skip the check that people stand along +y.
        up_axis: The world's up axis in AMASS-like, SMPL, GVHMR, WHAM and BVH files; by default judged by how people
            stand (`poses.readers.up_axis`).
        unstated_fps: Rate of SMPL poses and of results from videos that state none.
        skeletons: Files of BVH skeletons beside the packaged ones (`poses.readers.joints.skeletons`).

    Raises:
        InputError: missing, empty, unreadable or malformed input, object arrays, a wrong column count, an archive with
            numbers that are not finite or absurd in frames not marked invalid (elsewhere such frames are masked), less
            than half the frames that ``fps`` asks for, a folder of several kinds, people who do not stand along +y.
        OSError: the disk failed.
    """
    reading = Reading(load_skeletons(skeletons), fps, licence, aist_translation, unstated_fps, up_axis)
    with named_refusals(path, "poses.motions"):
        is_folder = path.is_dir()
    if is_folder:
        clips = _read_folder(path, reading)
    elif path.suffix.lower() in _KINDS and is_there(path):
        clips = _read_file(path, path.stem, path.absolute().parent.name, reading)
    else:
        remedy = "give a folder of .npy, .npz, .bvh or .pt clips, or one such file"
        if not (path.is_absolute() or is_there(path)):
            remedy += "; what comes with the repository, as data/cmu_subset, is found if the job starts in its folder"
        raise InputError("no motions here", file=path, field="poses.motions", remedy=remedy)
    _check_names(clips, path)
    if not trust_up_axis:
        clips = make_upright(clips, path)
        check_up_axis(clips, path)
    return clips


def read_configured(path: Path, settings: PosesConfig) -> list[MotionClip]:
    """`read_motions` as the ``poses:`` section says."""
    return read_motions(
        path,
        settings.fps,
        settings.licence,
        aist_translation=settings.aist_translation,
        trust_up_axis=settings.trust_up_axis,
        up_axis=None if settings.up_axis == "auto" else settings.up_axis,
        unstated_fps=settings.unstated_fps,
        skeletons=settings.skeletons,
    )


def gather_motions(settings: PosesConfig) -> list[MotionClip]:
    """The clips of every path in ``settings.motions`` but those ``without``.

    InputError as `read_motions`, and if two have one name.
    """
    clips = [
        clip
        for path in settings.motions
        for clip in read_configured(path, settings)
        if not any(fnmatchcase(clip.name, pattern) for pattern in settings.without)
    ]
    refuse_duplicates(clips)
    return clips


def refuse_duplicates(clips: Iterable[MotionClip]) -> None:
    """InputError if two clips, of one source or of two, have one name."""
    sources: dict[str, str] = {}
    for clip in clips:
        if clip.name in sources:
            raise InputError(
                f"two clips have one name, from {sources[clip.name]} and from {clip.source}",
                field="poses.motions",
                value=clip.name,
                remedy="give each motion once, or move one of them into a folder that tells them apart",
            )
        sources[clip.name] = clip.source


def _check_names(clips: Iterable[MotionClip], path: Path) -> None:
    """Names and sources go into tables, reports and files' names."""
    for clip in clips:
        if len(clip.name) > MAX_NAME or not (clip.name + clip.source).isprintable():
            raise InputError(
                f"the clip's name is longer than {MAX_NAME} letters or is no text", file=path, field="poses.motions",
                value=ascii(clip.name)[:80], remedy="rename the file or the clip",
            )  # fmt: skip


def motion_files(folder: Path) -> list[Path]:
    """The files of motions at or below a folder; InputError if there are none, or of several kinds."""
    present = list_files(folder)
    files = [file for file in present if file.suffix.lower() in _KINDS and not _is_no_motion(file, folder)]
    kinds = Counter(file.suffix.lower() for file in files)
    if not files:
        raise InputError(
            "the folder holds no .npy files, nor .npz, .bvh or .pt",
            file=folder,
            field="poses.motions",
            value=dict(Counter(file.suffix.lower() for file in present).most_common(5)) or None,
            remedy="give the folder of the motion clips; pickles have to be exported to plain arrays first",
        )
    if len(kinds) > 1:
        raise InputError(
            "the folder holds motions of several kinds",
            file=folder,
            value=dict(sorted(kinds.items())),
            remedy="give one folder for each kind",
        )
    return files


def _read_folder(folder: Path, reading: Reading) -> list[MotionClip]:
    files = motion_files(folder)
    if files[0].suffix.lower() == ".npy":
        return read_motionx_tree(folder, reading)
    name = folder.absolute().name
    return [
        clip
        for file in files
        for clip in _read_file(file, file.relative_to(folder).with_suffix("").as_posix(), name, reading)
    ]


def _is_no_motion(file: Path, folder: Path) -> bool:
    is_gvhmrs_work = file.suffix.lower() == ".pt" and _GVHMR_WORK in file.relative_to(folder).parts
    return is_amass_shape_file(file) or is_gvhmrs_work


def _read_file(file: Path, name: str, folder_name: str, reading: Reading) -> list[MotionClip]:
    kind = file.suffix.lower()
    if kind == ".npy":
        return read_motionx_tree(file, reading)
    if kind == ".bvh":
        return [read_bvh(file, name, folder_name, reading)]
    if kind == ".pt":
        tensors = load_tensors(file, NAMES, _GVHMR_INNER)
        return [read_smpl_params(tensors, file, name, folder_name, reading)]
    fields = field_names(file)
    if is_clip_archive(fields):
        return read_clip_archive(file, reading)
    if is_aistpp(fields):
        return [read_aistpp(file, name, reading)]
    if is_amass(fields):
        return [read_amass(file, name, folder_name, reading, fields)]
    if is_smpl_params(fields):
        return [read_smpl_params(load_fields(file, NAMES), file, name, folder_name, reading)]
    raise InputError(
        "an .npz that is neither an archive of clips nor AIST++, AMASS, SMPL, GVHMR or WHAM",
        file=file,
        value=sorted(fields)[:10],
        remedy="see read_motions for the layouts",
    )
