"""Motions as clips of Motion-X rows, whatever they are stored as: the one way to read them (Sec. 3.2's pose source)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from drpose_ray.arrays import field_names
from drpose_ray.errors import InputError
from drpose_ray.poses.clip import UNSTATED, MotionClip
from drpose_ray.poses.config import PosesConfig
from drpose_ray.poses.readers.aist_translation import AistTranslation
from drpose_ray.poses.readers.aistpp import is_aistpp, read_aistpp
from drpose_ray.poses.readers.amass import is_amass, is_amass_shape_file, read_amass
from drpose_ray.poses.readers.bvh_clip import read_bvh
from drpose_ray.poses.readers.clip_archive import is_clip_archive, read_clip_archive
from drpose_ray.poses.readers.motionx_tree import read_motionx_tree
from drpose_ray.poses.readers.up_axis import check_up_axis

__all__ = ["MotionClip", "gather_motions", "read_motions", "refuse_duplicates"]

_KINDS: Final = (".npy", ".npz", ".bvh")


def read_motions(
    path: Path,
    fps: float = 30,
    licence: str = UNSTATED,
    *,
    aist_translation: AistTranslation = "auto",
    trust_up_axis: bool = False,
) -> list[MotionClip]:
    """Read every clip at or below ``path``, in the order of their names or of the file, thinned to ``fps``.

    What is read follows from what is there:

    * ``.npy``: Motion-X, rows (T, 322) at 30 fps (`readers.motionx_tree`);
    * ``.npz`` with ``motion``, ``clip_start``, ``clip_name``, ``fps``: an archive of clips (`readers.clip_archive`);
    * ``.npz`` with ``smpl_poses``, ``smpl_trans``, ``smpl_scaling``: one AIST++ sequence (`readers.aistpp`);
    * ``.npz`` with ``poses`` or ``root_orient`` and ``pose_body``, ``trans``, ``mocap_framerate``: AMASS
      (`readers.amass`); its ``shape.npz`` and ``*_stagei.npz`` hold no motion and are left out;
    * ``.bvh``: CMU's skeleton or Daz's, retargeted (`readers.retarget`).

    A folder is read with its subfolders and holds one kind. Clips are named by their path below it, without extension.

    Args:
        path: A folder, an ``.npz`` or a ``.bvh``.
        fps: Target rate. Frames are taken at an integer stride, never interpolated.
        licence: Terms recorded for data that does not state its own; by default those of the data set, where known.
        aist_translation: How the translations of Motion-X's AIST subset are stored (`readers.aist_translation`).
        trust_up_axis: Skip the check that people stand along +y.

    Raises:
        InputError: missing, empty, unreadable or malformed input, object arrays, a wrong column count, an archive with
            numbers that are not finite in frames not marked invalid (elsewhere such frames are masked), a rate that is
            no whole multiple of ``fps``, a folder of several kinds, people who do not stand along +y.
    """
    if path.is_dir():
        clips = _read_folder(path, fps, licence, aist_translation)
    elif path.suffix.lower() in (".npz", ".bvh") and path.is_file():
        clips = _read_file(path, path.stem, fps, licence, path.absolute().parent.name)
    else:
        raise InputError(
            "no motions here", file=path, remedy="give a folder of .npy, .npz or .bvh clips, or one .npz or .bvh file"
        )
    if not trust_up_axis:
        check_up_axis(clips, path)
    return clips


def gather_motions(settings: PosesConfig) -> list[MotionClip]:
    """The clips of every path in ``settings.motions``; InputError as `read_motions`, and if two have one name."""
    clips = [
        clip
        for path in settings.motions
        for clip in read_motions(
            path,
            settings.fps,
            settings.licence,
            aist_translation=settings.aist_translation,
            trust_up_axis=settings.trust_up_axis,
        )
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


def _read_folder(folder: Path, fps: float, licence: str, aist_translation: AistTranslation) -> list[MotionClip]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _KINDS and file.is_file())
    files = [file for file in files if not is_amass_shape_file(file)]
    kinds = Counter(file.suffix.lower() for file in files)
    if not files:
        raise InputError(
            "the folder holds no .npy files, nor .npz or .bvh",
            file=folder,
            remedy="give the folder of the motion clips",
        )
    if len(kinds) > 1:
        raise InputError(
            "the folder holds motions of several kinds",
            file=folder,
            value=dict(sorted(kinds.items())),
            remedy="give one folder for each kind",
        )
    if kinds[".npy"]:
        return read_motionx_tree(folder, fps, licence, aist_translation)
    return [
        clip
        for file in files
        for clip in _read_file(
            file, file.relative_to(folder).with_suffix("").as_posix(), fps, licence, folder.absolute().name
        )
    ]


def _read_file(file: Path, name: str, fps: float, licence: str, folder_name: str) -> list[MotionClip]:
    if file.suffix.lower() == ".bvh":
        return [read_bvh(file, name, fps, licence, f"BVH ({folder_name})")]
    fields = field_names(file)
    if is_clip_archive(fields):
        return read_clip_archive(file, fps, licence)
    if is_aistpp(fields):
        return [read_aistpp(file, name, fps, licence)]
    if is_amass(fields):
        return [read_amass(file, name, fps, licence, f"AMASS ({folder_name})")]
    raise InputError(
        "an .npz that is neither an archive of clips nor AIST++ nor AMASS",
        file=file,
        value=sorted(fields)[:10],
        remedy="see read_motions for the layouts",
    )
