from __future__ import annotations

import pytest

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.smplx_body import Body


@pytest.fixture(scope="session")
def body() -> Body:
    return Body(ensure_body(BODY_CACHE))
