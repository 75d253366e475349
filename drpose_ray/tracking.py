"""One MLflow run: parameters, metrics by step, artifacts. Only rank 0 of a job opens one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from drpose_ray.config import Config

_BATCH = 100  # parameters per request, MLflow's limit


class Tracker:
    """Writes to one MLflow run by its id, without MLflow's process-wide active run."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self.run_id = client, run_id

    def log_params(self, config: Config) -> None:
        """Log every setting under its dotted name. Logging it again with another value is an error of MLflow's."""
        from mlflow.entities import Param

        params = [Param(name, str(value)) for name, value in flatten(config.model_dump(mode="json")).items()]
        for start in range(0, len(params), _BATCH):
            self._client.log_batch(self.run_id, params=params[start : start + _BATCH])

    def log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the finite values at ``step``. After a resume the last value of a step counts."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items() if isfinite(value)]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_artifact(self, path: Path) -> None:
        """Store a file, or a folder with what is in it, beside the run."""
        if path.is_dir():
            self._client.log_artifacts(self.run_id, str(path), path.name)
        else:
            self._client.log_artifact(self.run_id, str(path))


@contextmanager
def start_tracking(
    uri: str, experiment: str, run_name: str, parent: str | None = None, run_id: str | None = None
) -> Iterator[Tracker]:
    """Open a run in ``experiment``, or go on with ``run_id``; FINISHED at the end of the block, FAILED on an error.

    ``uri`` is a tracking server or ``sqlite:///<file>`` (see ``sqlite_uri``), whose artifacts lie beside the file.
    ``parent`` is the run id under which MLflow shows this run, such as a sweep's.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    if run_id is None:
        tags = {"mlflow.parentRunId": parent} if parent else {}
        run_id = client.create_run(_experiment_id(client, uri, experiment), tags=tags, run_name=run_name).info.run_id
    else:
        client.update_run(run_id, status="RUNNING")
    try:
        yield Tracker(client, run_id)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def sqlite_uri(folder: Path) -> str:
    """Tracking URI of ``mlflow.db`` in ``folder``, which is created if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _experiment_id(client: Any, uri: str, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # MLflow would put a sqlite store's artifacts into ./mlruns, wherever the job was started.
    location = Path(uri.removeprefix("sqlite:///")).with_name("mlflow_artifacts") if uri.startswith("sqlite:") else None
    return str(client.create_experiment(name, artifact_location=location.as_uri() if location else None))
