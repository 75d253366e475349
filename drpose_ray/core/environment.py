"""Ends a job in one line where Python is not that of the project's environment. Imported before anything else.

Without it a reader who types ``python jobs/finetune.py`` before ``make demo``, or without the environment, would see
the traceback of an import. Nothing here may need more than an old Python.
"""

import importlib.util
import sys

NEEDED = ("pydantic", "yaml", "numpy", "PIL", "torch", "ray")
"""Of the packages, those that some other environment may lack though it has the rest."""

if sys.version_info < (3, 11) or not all(map(importlib.util.find_spec, NEEDED)):
    print(
        f"error: this Python ({sys.executable}, {sys.version.split()[0]}) lacks what the project needs; remedy: make "
        "demo installs it into .venv, then source .venv/bin/activate, or write .venv/bin/python for python",
        file=sys.stderr,
    )
    sys.exit(2)
