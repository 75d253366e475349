"""``drpose finetune export``, for ``ray job submit -- python jobs/export.py``."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the checkout that this file is of

if __name__ == "__main__":
    from drpose_ray.cli import run

    sys.exit(run("export"))
