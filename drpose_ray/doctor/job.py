"""Examines this machine and the licensed parts that settings name: what is there, what is missing, where to get it.

drpose doctor --config configs/paper.yaml
drpose doctor --finetune.model.base /models/pshuman --finetune.model.text_embeddings /models/prompts

One line each: ok, missing, wrong, or unused by these settings. Exit status 0: all that the settings need is there;
1: something is missing or wrong; 2: the settings were refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from drpose_ray.core.job import run_job
from drpose_ray.core.settings.config import load_config
from drpose_ray.doctor.config import DoctorConfig
from drpose_ray.doctor.finding import Finding


class DoctorJobConfig(DoctorConfig):
    """Settings of jobs/doctor.py."""


CONFIG = DoctorJobConfig


@run_job
def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings as they are made. Returns the exit status."""
    config = load_config(CONFIG, argv)
    states: Counter[str] = Counter()
    for finding in _examine(config):
        print(finding.line, flush=True)
        states[finding.state] += 1
    print(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    return 1 if states["missing"] or states["wrong"] else 0


def _examine(config: DoctorConfig) -> Iterator[Finding]:
    from drpose_ray.doctor.asked import findings  # seconds, which --help need not pay
    from drpose_ray.doctor.machine import examine_machine

    yield from examine_machine(config.run.folder, config.run.device, compiles=config.finetune.rollout.compile)
    yield from findings(config)
