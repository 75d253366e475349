"""Photos to folders of views in one process: what happens to one photo ends none of the others.

While a photo is in hand a mark lies beside its views, one byte per beginning. A worker that ends without a word (killed
for memory, a decoder that crashes) leaves it; whoever comes next takes such photos one by one, and gives one up that
ended several workers. Ray would start workers anew for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from drpose_ray.core.errors import InputError, is_no_space
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.files.reading import is_there, list_folders, read_json, reason
from drpose_ray.diffusion.inference.photo import Photo, PhotoFile, read_photo
from drpose_ray.diffusion.inference.views import MARKER, FailedViews, Views, write_views

MOST_DEATHS: Final = 3
PHOTO: Final = "photo_sha256"
"""In the marker: whose views these are."""


class DrawsViews(Protocol):
    """What is asked of ``diffusion.inference.generate.ViewGenerator``."""

    @property
    def image_size(self) -> int: ...
    @property
    def crop_size(self) -> int: ...
    def generate(self, photos: Sequence[Photo]) -> Iterator[Views | FailedViews]: ...


def has_views(output: Path, file: PhotoFile) -> bool:
    """Whether there are views of these very bytes: a photo that was replaced under its name is drawn again."""
    try:
        record = read_json(output / file.name / MARKER)
        return isinstance(record, dict) and record.get(PHOTO) == file_sha256(file.path)
    except (InputError, OSError):  # no views, or damaged ones; a photo that cannot be read says so when it is drawn
        return False


def has_any_views(output: Path) -> bool:
    """Whether ``output`` holds views of any photo."""
    return output.is_dir() and bool(list_folders(output, lambda folder: is_there(folder / MARKER)))


def draw_all(
    generator: DrawsViews, files: Sequence[PhotoFile], output: Path, record: dict[str, Any], at_once: int = 1
) -> dict[str, str]:
    """Write the views of each photo, ``at_once`` drawn together; name -> what is wrong with it, empty if nothing is.

    A batch that fails is drawn again photo by photo. Raises InputError if the views cannot be written.
    """
    problems = {file.name: "" for file in files}
    todo = [file for file in files if not has_views(output, file)]
    suspects = [file for file in todo if _beginnings(output, file.name)]
    others = [file for file in todo if file not in suspects]
    for file in suspects:
        deaths = _beginnings(output, file.name)
        if deaths < MOST_DEATHS:
            problems |= _draw(generator, [file], output, record)
        else:
            problems[file.name] = f"{deaths} workers ended while they drew it"
            _end(output, file.name)
    for start in range(0, len(others), at_once):
        problems |= _draw(generator, others[start : start + at_once], output, record)
    return problems


def _draw(generator: DrawsViews, files: Sequence[PhotoFile], output: Path, record: dict[str, Any]) -> dict[str, str]:
    problems: dict[str, str] = {}
    photos: list[Photo] = []
    for file in files:
        _begin(output, file.name)
        try:
            photos.append(read_photo(file, generator.image_size, generator.crop_size))
        except Exception as error:  # noqa: BLE001 - one photo must not cost the others, whatever a decoder raises
            problems[file.name] = _in_words(error)
    left = {photo.name: photo for photo in photos}
    records = {file.name: {**record, PHOTO: file_sha256(file.path)} for file in files if file.name in left}
    problem = _draw_together(generator, left, output, records, problems)
    for photo in list(left.values()) if problem else ():
        if len(photos) > 1:
            problem = _draw_together(generator, {photo.name: photo}, output, records, problems)
        if problem:
            problems[photo.name] = problem
    for file in files:
        _end(output, file.name)
    return problems


def _draw_together(
    generator: DrawsViews,
    left: dict[str, Photo],
    output: Path,
    records: Mapping[str, dict[str, Any]],
    problems: dict[str, str],
) -> str:
    """Draw and write ``left``, out of which each photo is taken whose outcome is known; gives what ended the others."""
    drawn = generator.generate(list(left.values()))
    while left:
        try:
            views = next(drawn)
        except Exception as error:  # noqa: BLE001 - a photo too many for the device, a kernel that fails
            return _in_words(error)
        del left[views.name]
        if not isinstance(views, Views):  # the model's answer, which no second attempt changes
            problems[views.name] = views.problem
            continue
        try:
            write_views(views, output, records[views.name])
        except OSError as error:
            raise _unwritable(output, error) from error
    return ""


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {reason(error)}"


def _mark(output: Path, name: str) -> Path:
    return output / f".{name}.begun"


def _beginnings(output: Path, name: str) -> int:
    mark = _mark(output, name)
    return mark.stat().st_size if is_there(mark) else 0


def _begin(output: Path, name: str) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        with _mark(output, name).open("ab") as mark:
            mark.write(b".")
    except OSError as error:
        raise _unwritable(output, error) from error


def _end(output: Path, name: str) -> None:
    _mark(output, name).unlink(missing_ok=True)


def _unwritable(output: Path, error: OSError) -> InputError:
    full = is_no_space(error)
    return InputError(
        "no space left for the views; those that are there are whole" if full else "cannot write the views",
        file=output, field="generate.output", value=error.strerror,
        remedy="free space, or choose another folder, then run the same command again: it makes what is missing",
    )  # fmt: skip
