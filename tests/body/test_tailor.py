"""Who clothes people: painted ones are as ever, dressed ones are their wardrobe's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.people import Person, draw_person, take_portrait
from drpose_ray.body.tailor import Dresser, Painter, find_tailor
from drpose_ray.core.seeding import derive_seed
from drpose_ray.poses.sources import draw_pose
from tests.body.garments.small import free_body, write_outfit


@pytest.fixture(scope="module")
def dresser(tmp_path_factory: pytest.TempPathFactory) -> Dresser:
    folder = tmp_path_factory.mktemp("garments")
    write_outfit(folder)
    tailor = find_tailor(free_body(), folder)
    assert isinstance(tailor, Dresser)
    return tailor


def test_without_garments_people_and_seeds_are_as_before_there_were_any() -> None:
    painter = find_tailor(free_body(), None)
    assert isinstance(painter, Painter)
    assert painter.seed(3, "twin", 7) == derive_seed(3, "twin", 7)
    assert (painter.identity(), painter.licence("CC0-1.0")) == ({}, "CC0-1.0")
    person, before = painter.draw(5), draw_person(free_body(), 5)
    np.testing.assert_array_equal(person.betas, before.betas)
    row = draw_pose({"moderate": 1}, 0, 0)
    seen, body = take_portrait(person, row, (0.0,), 48), free_body()
    np.testing.assert_array_equal(person.pose(seen.motion_row)[0], body.pose(seen.motion_row, before.outfit.offsets)[0])


def test_another_wardrobe_is_another_person_of_the_same_seed(dresser: Dresser, tmp_path: Path) -> None:
    write_outfit(tmp_path, above_m=0.02)
    other = find_tailor(free_body(), tmp_path)
    assert dresser.identity() == {"garments_sha256": dresser.wardrobe.sha256} != other.identity()
    assert len({tailor.seed(3, "twin", 7) for tailor in (Painter(free_body()), dresser, other)}) == 3
    assert dresser.licence("paint") == "paint; garments: not stated"


@pytest.mark.parametrize(
    ("comment", "licence"),
    [("# License: CC-BY 4.0", "CC-BY 4.0"), ("# explicitly released as CC0 in 2020. The license\n# text", "CC0-1.0")],
)
def test_the_terms_of_a_garment_are_what_its_comments_say(comment: str, licence: str, tmp_path: Path) -> None:
    file = write_outfit(tmp_path)
    file.write_text(f"{comment}\n{file.read_text()}")
    assert find_tailor(free_body(), tmp_path).licence("paint") == f"paint; garments: {licence}"


def test_painted_and_dressed_people_are_seen_alike(dresser: Dresser) -> None:
    people: list[Person] = [tailor.draw(5, 64) for tailor in (Painter(free_body()), dresser)]
    np.testing.assert_array_equal(people[0].betas, people[1].betas)
    row = draw_pose({"moderate": 1}, 0, 0)
    masks = []
    for person in people:
        assert person.uvs[person.uv_faces].shape == (len(person.faces), 3, 2)
        assert person.texture.shape[1:] == (64, 3)
        corners = np.eye(3, dtype=np.float32)
        colors = person.colors_at(np.full(3, 7), corners)
        assert colors.shape == (3, 3) and (colors >= 0).all() and (colors <= 1).all()
        portrait = take_portrait(person, row, (0.0, 90.0), 48)
        np.testing.assert_array_equal(portrait.motion_row[312:], person.betas)
        masks.append(portrait.views.mask > 127)
    assert (masks[0] & masks[1]).sum() > 0.8 * (masks[0] | masks[1]).sum()
