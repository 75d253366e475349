from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def job() -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["ci"]


def test_the_hosted_ci_runs_the_script_that_runs_everything(job: dict[str, Any]) -> None:
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_it_has_the_python_of_the_project(job: dict[str, Any]) -> None:
    (python,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert f'requires-python = "=={python}.*"' in (ROOT / "pyproject.toml").read_text()


def test_torch_is_the_build_without_cuda(job: dict[str, Any]) -> None:
    assert job["env"] == {"PIP_EXTRA_INDEX_URL": "https://download.pytorch.org/whl/cpu"}
