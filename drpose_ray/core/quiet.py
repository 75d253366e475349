"""What libraries say in a normal run is not said; what this project warns of is one clean line."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from drpose_ray.core.errors import printable
from drpose_ray.core.secrets import redact

QUIET_LIBRARIES = {
    # Ray's C++ core writes "E core_worker.cc" lines of no consequence to the terminal; what ends a job is raised.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Environment variables, read when the libraries are imported. Whoever sets them otherwise hears more."""

_OURS = r"(drpose_ray|jobs|__main__)\b"


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block warnings of libraries are ignored, unless Python was started with ``-W``.

    Names of files that the terminal's encoding lacks are printed escaped instead of raising.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.warnoptions:
        yield
        return
    before = warnings.formatwarning
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=rf"(?!{_OURS})")
        warnings.formatwarning = _one_line
        try:
            yield
        finally:
            warnings.formatwarning = before


def _one_line(message: Warning | str, *_: object, **__: object) -> str:
    return f"warning: {printable(redact(' '.join(str(message).split())))}\n"
