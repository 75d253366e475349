"""What happens to one photo ends none of the others; the model here is a small one that does what it is told."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.inference import drawing
from drpose_ray.diffusion.inference.drawing import MOST_DEATHS, draw_all, has_any_views
from drpose_ray.diffusion.inference.photo import Photo, PhotoFile
from drpose_ray.diffusion.inference.views import FailedViews, Views


class Killed(BaseException):
    """As the end of the process: no handler sees it."""


class Model:
    """Views that show their photo; some names make it fail."""

    image_size, crop_size = 32, 28

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def generate(self, photos: Sequence[Photo]) -> Iterator[Views | FailedViews]:
        names = [photo.name for photo in photos]
        self.asked.append(names)
        if "deadly" in names:
            raise Killed
        if "greedy" in names:
            raise MemoryError("no memory for it")
        for photo in photos:
            if photo.name == "broken":
                raise RuntimeError("CUDA out of memory")
            if photo.name == "infinite":
                yield FailedViews(photo.name, "not finite")
                continue
            pixels = np.full((6, 32, 32, 4), 255, np.uint8)
            yield Views(photo.name, pixels, pixels)


def photos(folder: Path, *names: str) -> list[PhotoFile]:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (5, 2, 15, 18))
    for name in names:
        image.save(folder / f"{name}.png")
    return [PhotoFile(name, folder / f"{name}.png") for name in names]


def drawn(folder: Path, name: str) -> bool:
    return (folder / "views" / name / "views.json").is_file()


@pytest.mark.parametrize("at_once", [1, 2, 4])
@pytest.mark.parametrize(
    ("bad", "said"),
    [("greedy", "MemoryError: no memory"), ("broken", "RuntimeError: CUDA out"), ("infinite", "not finite")],
)
def test_a_photo_that_cannot_be_drawn_costs_itself_alone(tmp_path: Path, bad: str, said: str, at_once: int) -> None:
    files = photos(tmp_path, "a", bad, "b", "c")
    problems = draw_all(Model(), files, tmp_path / "views", {}, at_once)
    assert said in problems.pop(bad) and problems == {"a": "", "b": "", "c": ""}
    assert [
        name
        for name in ("a", bad, "b", "c")
        if has_any_views(tmp_path / "views") and (tmp_path / "views" / name / "views.json").exists()
    ] == ["a", "b", "c"]
    assert not [path for path in (tmp_path / "views").iterdir() if path.name.startswith(".")], "no marks, nothing half"


def test_photos_that_cannot_be_read_are_failures_and_a_rerun_makes_what_is_missing(tmp_path: Path) -> None:
    files = photos(tmp_path, "a", "torn", "b")
    whole = files[1].path.read_bytes()
    files[1].path.write_bytes(whole[:60])
    files.append(PhotoFile("gone", tmp_path / "gone.png"))
    problems = draw_all(Model(), files, tmp_path / "views", {}, 4)
    assert problems["a"] == problems["b"] == "" and "torn.png" in problems["torn"] and "gone.png" in problems["gone"]
    files[1].path.write_bytes(whole)
    again = Model()
    assert draw_all(again, files[:3], tmp_path / "views", {}) == {"a": "", "torn": "", "b": ""}
    assert again.asked == [["torn"]]


def test_a_reader_that_meets_what_nobody_foresaw_costs_its_photo_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = drawing.read_photo

    def read(file: PhotoFile, size: int, crop_size: int) -> Photo:
        if file.name == "bad":
            raise OSError(errno.EIO, "the disk failed")
        return real(file, size, crop_size)

    monkeypatch.setattr(drawing, "read_photo", read)
    problems = draw_all(Model(), photos(tmp_path, "a", "bad"), tmp_path / "views", {}, 2)
    assert problems == {"a": "", "bad": "OSError: [Errno 5] the disk failed"}


def test_a_photo_that_ends_workers_is_drawn_alone_and_given_up(tmp_path: Path) -> None:
    files = photos(tmp_path, "a", "deadly", "b")
    models = [Model() for _ in range(MOST_DEATHS + 1)]
    for model in models[:MOST_DEATHS]:
        with pytest.raises(Killed):
            draw_all(model, files, tmp_path / "views", {}, 3)
    assert models[0].asked == [["a", "deadly", "b"]]
    assert models[1].asked == [["a"], ["deadly"]], "its neighbours are not lost with it"
    problems = draw_all(models[-1], files, tmp_path / "views", {}, 3)
    assert problems == {"a": "", "deadly": f"{MOST_DEATHS} workers ended while they drew it", "b": ""}
    assert drawn(tmp_path, "a") and drawn(tmp_path, "b")


def test_views_that_cannot_be_written_end_the_run_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drawing, "write_views", full)
    with pytest.raises(InputError, match="no space left for the views"):
        draw_all(Model(), photos(tmp_path, "a"), tmp_path / "views", {})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write the views"):
        draw_all(Model(), photos(tmp_path, "a"), tmp_path / "file", {})
