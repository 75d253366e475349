import jaxtyping
import numpy as np
import pytest
import torch

from drpose_ray.diffusion.condition import Condition
from drpose_ray.geometry.cameras import Frame
from drpose_ray.reward.distance import cross_entropy_excess
from tests.shapes import check_shapes


def test_maps_of_another_size_are_refused_under_pytest() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="target_maps"):
        cross_entropy_excess(torch.zeros(1, 6, 23, 8, 8), torch.zeros(1, 6, 23, 16, 16))


def test_a_record_of_disagreeing_axes_is_refused_under_pytest() -> None:
    latents, labels, text = torch.zeros(2, 1, 6, 4, 8, 8), torch.zeros(2, 1, 6, 5), torch.zeros(2, 7, 3, 9)
    with pytest.raises(jaxtyping.TypeCheckError, match="text"):
        Condition(latents, labels, text)


def test_an_array_of_another_shape_is_refused_under_pytest() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="vertices_world"):
        Frame.around(np.zeros((5, 2)))


def test_other_types_are_not_looked_at() -> None:
    def add(number: int, to: jaxtyping.Float[torch.Tensor, " B"]) -> torch.Tensor:
        return to + number

    assert check_shapes(add)(0.5, torch.ones(1)) == 1.5
