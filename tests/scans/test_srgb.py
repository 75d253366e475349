from __future__ import annotations

import numpy as np
import pytest

from drpose_ray.scans.meshes.srgb import linear_to_srgb, srgb_to_linear


def test_the_curve_and_its_inverse_undo_each_other_and_are_the_standard_s() -> None:
    bytes_ = np.arange(256) / 255
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(bytes_)), bytes_, atol=1e-5)
    assert linear_to_srgb(np.array([0.5]))[0] == pytest.approx(0.7354, abs=1e-4)  # IEC 61966-2-1


def test_what_is_no_light_stays_outside() -> None:
    below, above = linear_to_srgb(np.array([-1.0, 3.0]))
    assert below < 0 and above > 1
