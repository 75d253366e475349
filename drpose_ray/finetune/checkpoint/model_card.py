"""The README.md of a post-trained model: what was done to which model, with which settings, data and code."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from drpose_ray.core.runs.run import RUN_FILE
from drpose_ray.finetune.settings.finetune import FinetuneConfig

_CARD = """# {name}, post-trained with DrPose

Direct reward fine-tuning on poses (arXiv 2603.02619), by drpose_ray. Only `unet/` differs from the base model; the
base's licence applies to it.

| | |
|---|---|
| Base | `{base}` |
| Pairs | `{dataset}` |
| Iterations | {iterations} |
| Code | {revision} |
| Versions | {versions} |

Settings of the post-training (the run folder holds all others):

```yaml
{settings}
```
"""


def write_card(config: FinetuneConfig, dataset: Path | None, iterations: int, run_folder: Path) -> str:
    """The card's text. Revision and versions are those in the run folder's ``run.json``, where there is one."""
    record = json.loads(path.read_text()) if (path := run_folder / RUN_FILE).is_file() else {}
    revision = str(record.get("git_revision"))[:12] + (" with local changes" if record.get("git_dirty") else "")
    if not record.get("git_revision"):  # a submitted job runs from an unpacked copy without .git
        revision = f"sources with sha256 {str(record.get('source_sha256'))[:12]}"
    versions = {name: record.get("packages", {}).get(name) for name in ("torch", "diffusers", "deepspeed", "ray")}
    return _CARD.format(
        name=config.model.base.name, base=config.model.base, dataset=dataset, iterations=iterations, revision=revision,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        settings=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).rstrip(),
    )  # fmt: skip
