from __future__ import annotations

import pytest
import torch

from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.geometry.view_sets import ERA3D_VIEWS, PSHUMAN_VIEWS


def test_slots_of_true_views_show_them_again_when_they_are_undone() -> None:
    views = torch.randn(2, 7, 3, 4, 4)
    slots = PSHUMAN_VIEWS.from_true_views(views, 1)
    torch.testing.assert_close(PSHUMAN_VIEWS.to_true_views(slots, 1), views[:, :6])
    mirrored = [i for i in range(7) if not torch.equal(slots[:, i], views[:, i])]
    assert [VIEW_NAMES[i] for i in mirrored] == ["back", "left"]
    torch.testing.assert_close(slots[:, 3], views[:, 3].flip(-1))
    assert torch.equal(ERA3D_VIEWS.from_true_views(views[:, :6], 1), views[:, :6])


def test_a_missing_face_is_noticed() -> None:
    with pytest.raises(ValueError, match="7 slots, not 6"):
        PSHUMAN_VIEWS.from_true_views(torch.zeros(6, 3, 4, 4), 0)
