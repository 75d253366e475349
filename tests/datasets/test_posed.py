from __future__ import annotations

import pytest
import torch

from drpose_ray.datasets.posed import PosedPeople, cat


def people(first: int, num: int) -> PosedPeople:
    joints = torch.arange(first, first + num).float()[:, None, None].expand(num, 23, 3)
    ids = tuple(f"walk.{row:02d}" for row in range(first, first + num))
    return PosedPeople(joints, joints[:, 0], joints[:, 0, 0] + 1, ids, ("7",) * num, images=torch.zeros(num, 2))


def test_rows_and_their_names_stay_together() -> None:
    some = people(0, 5).rows(torch.tensor([3, 1]))
    assert some.width_m.tolist() == [4, 2] and some.sample_ids == ("walk.03", "walk.01") and len(some.persons) == 2
    assert some.keys == ("walk", "walk") and len(some.images) == 2
    sliced = people(0, 5).rows(slice(1, 3))
    assert sliced.sample_ids == ("walk.01", "walk.02") and sliced.joints[0, 0, 0] == 1


def test_what_is_not_there_stays_so() -> None:
    both = cat([people(0, 2), people(2, 1)]).without_pictures()
    assert both.sample_ids == ("walk.00", "walk.01", "walk.02") and both.joints[:, 0, 0].tolist() == [0, 1, 2]
    assert len(both.images) == len(both.rows(slice(1)).to(torch.device("cpu")).images) == 0


def test_parts_of_different_people_are_refused() -> None:
    with pytest.raises(ValueError, match="sample_ids of 2 people, expected 3"):
        PosedPeople(torch.zeros(3, 23, 3), torch.zeros(3, 3), torch.ones(3), ("a.00", "b.00"))
    with pytest.raises(ValueError, match="images of 2 people, expected 3"):
        cat([people(0, 2), people(2, 1).without_pictures()])
