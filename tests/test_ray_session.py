from __future__ import annotations

import os

import pytest


def where_am_i() -> tuple[str, int]:
    """Imported by the worker by name, as a job's functions are."""
    import drpose_ray

    return drpose_ray.__version__, os.getpid()


@pytest.mark.slow
def test_workers_import_the_package_and_the_test_modules(ray_session: None) -> None:
    import ray

    version, worker = ray.get(ray.remote(where_am_i).remote())
    assert version == "0.1.0"
    assert worker != os.getpid()
    assert ray.cluster_resources()["trial_driver"] == 4
