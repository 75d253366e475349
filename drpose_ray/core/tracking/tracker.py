"""One MLflow run: parameters, metrics by step, artifacts. Only rank 0 of a job opens one.

Tracking never stops nor delays a run: what is logged is handed to a thread, and a server that does not answer is said
once. The metrics of a run are in its own folder in any case.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

from drpose_ray.core.secrets import redact_values
from drpose_ray.core.settings.config import Config
from drpose_ray.core.settings.dotted import flatten
from drpose_ray.core.tracking.delivery import Delivery
from drpose_ray.core.tracking.mlflow_run import Artifact, Ended, Metrics, MlflowRun, Params, sqlite_uri

__all__ = ["Tracker", "sqlite_uri", "start_tracking"]

_FLUSH_SECONDS = 120.0  # of a server that answers; making a sqlite file takes half a minute on a busy machine
_INTERRUPTED_SECONDS = 5.0
_RUN_ID_SECONDS = 120.0


class Tracker:
    """Takes what a run logs and returns at once."""

    def __init__(self, run: MlflowRun, delivery: Delivery) -> None:
        self._run, self._delivery = run, delivery

    @property
    def run_id(self) -> str | None:
        """MLflow's name of the run, waited for as long as the server may answer; None if it does not."""
        self._delivery.wait_until_open(_RUN_ID_SECONDS)
        return self._run.run_id

    def log_params(self, config: Config) -> None:
        """Log every setting under its dotted name, URIs without credentials. Another value later on is not taken."""
        values = flatten(redact_values(config.model_dump(mode="json")))
        self._delivery.put(Params({name: str(value) for name, value in values.items()}))

    def log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the finite values at ``step``. After a resume the last value of a step counts."""
        finite = {name: float(value) for name, value in values.items() if isfinite(value)}
        self._delivery.put(Metrics(step, int(time.time() * 1000), finite))

    def log_artifact(self, path: Path) -> None:
        """Store a file, or a folder with what is in it, beside the run; it has to stay until the end of the block."""
        self._delivery.put(Artifact(path))


@contextmanager
def start_tracking(
    uri: str, experiment: str, run_name: str, parent: str | None = None, run_id: str | None = None
) -> Iterator[Tracker]:
    """Open a run in ``experiment``, or go on with ``run_id``; FINISHED at the end of the block, FAILED on an error.

    ``uri`` is a tracking server or ``sqlite:///<file>`` (see ``sqlite_uri``), whose artifacts lie beside the file.
    ``parent`` is the run id under which MLflow shows this run, such as a sweep's. What is left at the end is delivered
    within two minutes, or five seconds if the server does not answer or the run was interrupted.
    """
    run = MlflowRun(uri, experiment, run_name, parent, run_id)
    delivery = Delivery(run)
    try:
        yield Tracker(run, delivery)
    except BaseException as error:
        delivery.put(Ended("FAILED"))
        delivery.close(_FLUSH_SECONDS if isinstance(error, Exception) else _INTERRUPTED_SECONDS)
        raise
    delivery.put(Ended("FINISHED"))
    delivery.close(_FLUSH_SECONDS)
