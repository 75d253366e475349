"""Every preset is understood by every job that it names a section of."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drpose_ray.cli import load_job
from drpose_ray.core.settings.config import load_config
from drpose_ray.dev.schemas import job_modules

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
JOBS = [name for name in job_modules() if hasattr(load_job(name), "CONFIG")]


@pytest.mark.parametrize("preset", ["small", "paper"])
@pytest.mark.parametrize("job", JOBS)
def test_preset_loads_in_every_job(preset: str, job: str) -> None:
    cls = load_job(job).CONFIG
    config = load_config(cls, ["--config", str(CONFIGS / f"{preset}.yaml")])
    assert config.run.folder == Path("outputs") / preset


def test_paper_preset_has_the_papers_numbers() -> None:
    settings = yaml.safe_load((CONFIGS / "paper.yaml").read_text())
    tuned, poses, fit = settings["finetune"], settings["poses"], settings["reward"]["fit"]
    algorithm, optimizer = tuned["algorithm"], tuned["optimizer"]
    assert (algorithm["num_sampling_steps"], algorithm["num_train_steps"], algorithm["max_early_stop"]) == (20, 2, 8)
    assert (algorithm["kl_weight"], optimizer["batch_size"], optimizer["gradient_accumulation"]) == (0.01, 2, 2)
    assert (optimizer["num_iterations"], poses["num_train"], poses["window"]) == (18_000, 1500, 10)
    assert (fit["updates"], fit["samples_per_update"]) == (10_000, 16)
    predictor = settings["reward"]["predictor"]
    assert (predictor["latent_size"], predictor["latent_channels"]) == (96, 4) and predictor["map_size"] in {96, 192}


def test_every_value_of_the_paper_preset_says_where_it_is_from() -> None:
    for line in (CONFIGS / "paper.yaml").read_text().splitlines():
        setting = line.split("#")[0].rstrip()
        if setting and not setting.endswith(":") and not setting.lstrip().startswith("-"):
            assert any(f"# {tag}" in line for tag in ("paper §", "notes", "assumed")), line


def test_assumptions_that_the_paper_preset_points_to_exist() -> None:
    """A link to a section that was renamed would send the reader nowhere."""
    headings = [
        line[3:] for line in (CONFIGS.parent / "docs" / "assumptions.md").read_text().splitlines() if line[:3] == "## "
    ]
    anchors = {"".join(c for c in h.lower().replace(" ", "-") if c.isalnum() or c == "-") for h in headings}
    text = (CONFIGS / "paper.yaml").read_text()
    linked = {part.split()[0] for part in text.split("docs/assumptions.md#")[1:]}
    assert linked <= anchors
