"""BlazePose itself, on small renders of our people: what it reads, and where it must see nobody."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.people import draw_person, take_portrait
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.evaluation.judges.blazepose.detector import PersonFinder
from drpose_ray.evaluation.judges.blazepose.judge import BlazePoseJudge
from drpose_ray.evaluation.judges.blazepose.network import BLAZEPOSE_FOLDER, DETECTOR_FILE, LANDMARKS_FILE
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.poses.sources import draw_pose


@pytest.fixture(scope="module")
def judge() -> BlazePoseJudge:
    return BlazePoseJudge()


@pytest.fixture(scope="module")
def person() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A standing person: images (1, 6, 3, 96, 96), width (1,), joints (1, 23, 3)."""
    body = Body(ensure_body(BODY_CACHE))
    portrait = take_portrait(draw_person(body, 3), draw_pose({"standing": 1}, 3, 0), VIEW_AZIMUTHS_DEG, 96)
    images = torch.from_numpy(portrait.views.color).permute(0, 3, 1, 2)[None]
    return images, torch.tensor([portrait.frame.width_m]), torch.from_numpy(portrait.joints_world)[None]


People = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def test_a_standing_person_is_read_to_5_cm_at_96_pixels(judge: BlazePoseJudge, person: People) -> None:
    images, width, joints = person
    judged = judge.judge(images, width)
    assert judged.joints.shape == (1, 12, 3) and judged.found.all() and judged.read.all()
    assert judged.errors_cm(joints).item() < 5
    assert judged.errors_cm(joints + 3).item() == pytest.approx(judged.errors_cm(joints).item(), abs=1e-3)
    torch.testing.assert_close(judge.judge(images.float() / 255, width).joints, judged.joints)
    assert judge.judge(images.flip(1), width).errors_cm(joints) > 10, "views in another order are another person"


def test_views_of_nobody_are_left_out_and_too_few_are_no_reading(judge: BlazePoseJudge, person: People) -> None:
    images, width, joints = person
    images = images.repeat(2, 1, 1, 1, 1)
    images[0, 2], images[1, [0, 1, 2, 4, 5]] = 255, 255
    judged = judge.judge(images, width.repeat(2))
    assert judged.found.tolist() == [[v != 2 for v in range(6)], [v == 3 for v in range(6)]]
    assert judged.errors_cm(joints)[0] < 6
    assert judged.joints[1].isnan().all() and judged.read.tolist() == [True, False]


def test_nobody_is_made_up(judge: BlazePoseJudge, person: People) -> None:
    images, width, _ = person
    draw = torch.Generator().manual_seed(0)
    shuffled = images.flatten(3)[..., torch.randperm(96 * 96, generator=draw)].reshape(images.shape)
    noise = torch.randint(0, 256, images.shape, dtype=torch.uint8, generator=draw)
    nobody = torch.cat([shuffled, noise, torch.full_like(images, 255), torch.zeros_like(images)])
    judged = judge.judge(nobody, width.repeat(4))
    assert not judged.found.any() and judged.residual_cm.isnan().all()


def test_people_are_found_where_they_are_in_pictures_of_any_shape(person: People) -> None:
    finder, one = PersonFinder(), person[0][0, 0]
    (alone,) = finder.find(one)
    canvas = torch.full((3, 120, 320), 255, dtype=torch.uint8)
    canvas[:, 16:112, 20:116] = one
    canvas[:, 16:112, 204:300] = person[0][0, 3]
    found = sorted(finder.find(canvas), key=lambda each: each.head[0])
    assert len(found) == 2
    assert abs(found[0].whole.center - alone.whole.center - [20, 16]).max() < 4
    assert 0.7 < found[0].whole.size / alone.whole.size < 1.4


def test_a_photographed_woman_is_found_though_the_photo_ends_above_her_hips() -> None:
    with Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png") as photo:
        picture = torch.from_numpy(np.array(photo.convert("RGB"))).permute(2, 0, 1)
    (someone,) = PersonFinder().find(picture)
    left, top, right, bottom = someone.head
    assert left < 220 < right and top < 170 < bottom, "her chin is in it"
    assert someone.whole.center[1] > 512 and someone.whole.size > 2 * 512


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda images: images[0], "images"),
        (lambda images: images[:, :4], "images"),
        (lambda images: images[..., :80], "images"),
        (lambda images: images[:0], "images"),
        (lambda images: images[:, :, :1], "shape"),
        (lambda images: images[..., :16, :16], "shape"),
        (lambda images: images.long(), "dtype"),
        (lambda images: images.float(), "range"),
        (lambda images: images.float() * torch.nan, "range"),
        (lambda images: images.float() / 255 - 0.1, "range"),
    ],
)
def test_what_is_no_picture_is_refused(
    judge: BlazePoseJudge, person: People, spoil: Callable[[torch.Tensor], torch.Tensor], field: str
) -> None:
    with pytest.raises(InputError) as refused:
        judge.judge(spoil(person[0]), person[1])
    assert refused.value.field == field


@pytest.mark.parametrize("width", [torch.ones(2), torch.tensor([torch.nan]), torch.tensor([0.0])])
def test_widths_that_are_none_are_refused(judge: BlazePoseJudge, person: People, width: torch.Tensor) -> None:
    with pytest.raises(InputError) as refused:
        judge.judge(person[0], width)
    assert refused.value.field == "width_m"


@pytest.mark.parametrize("damage", ["missing", "cut short", "one bit", "another network"])
def test_other_files_than_the_published_are_refused(tmp_path: Path, damage: str) -> None:
    for name in (DETECTOR_FILE, LANDMARKS_FILE):
        shutil.copy(BLAZEPOSE_FOLDER / name, tmp_path)
    path = tmp_path / LANDMARKS_FILE
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(content[:1000])
    elif damage == "one bit":
        path.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    else:
        shutil.copy(tmp_path / DETECTOR_FILE, path)
    with pytest.raises(InputError) as refused:
        BlazePoseJudge(tmp_path)
    assert refused.value.file == path


def test_an_absent_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(InputError, match="ai-edge-litert"):
        PersonFinder()
