"""One MLflow run as the receiver of a delivery: the only place that talks to MLflow."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from drpose_ray.core.secrets import redact

_BATCH = 100  # parameters per request, MLflow's limit
_REFUSALS = frozenset({
    "BAD_REQUEST", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "PERMISSION_DENIED", "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST", "RESOURCE_LIMIT_EXCEEDED",
})  # fmt: skip


@dataclass(frozen=True)
class Params:
    """Settings by dotted name."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Metrics:
    """Finite numbers of one step, measured at ``milliseconds`` since 1970."""

    step: int
    milliseconds: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Artifact:
    """A file, or a folder with what is in it."""

    path: Path


@dataclass(frozen=True)
class Ended:
    """The last entry: FINISHED or FAILED."""

    status: str


class MlflowRun:
    """Writes to one MLflow run by its id, without MLflow's process-wide active run."""

    def __init__(self, uri: str, experiment: str, run_name: str, parent: str | None, run_id: str | None) -> None:
        self.name, self.run_id = redact(uri), run_id
        self._uri, self._experiment, self._run_name, self._parent = uri, experiment, run_name, parent
        self._client: Any = None
        _import_mlflow(uri)

    def open(self) -> None:
        """Create the run, or go on with it if the server still has it."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client: Any = MlflowClient(tracking_uri=self._uri)
        if self.run_id is not None:
            try:
                client.update_run(self.run_id, status="RUNNING")
            except MlflowException as error:
                if not self.is_refusal(error):
                    raise
                self.run_id = None
        if self.run_id is None:
            tags = {"mlflow.parentRunId": self._parent} if self._parent else {}
            experiment = self._experiment_id(client)
            self.run_id = client.create_run(experiment, tags=tags, run_name=self._run_name).info.run_id
        self._client = client
        _remove_stray_folders(self._uri)

    def send(self, entry: Params | Metrics | Artifact | Ended) -> None:
        """Log one entry."""
        from mlflow.entities import Metric, Param

        client, run_id = self._client, self.run_id
        match entry:
            case Params(values):
                params = [Param(name, value) for name, value in values.items()]
                for start in range(0, len(params), _BATCH):
                    client.log_batch(run_id, params=params[start : start + _BATCH])
            case Metrics(step, milliseconds, values):
                client.log_batch(run_id, [Metric(name, value, milliseconds, step) for name, value in values.items()])
            case Artifact(path) if path.is_dir():
                client.log_artifacts(run_id, str(path), path.name)
            case Artifact(path):
                client.log_artifact(run_id, str(path))
            case Ended(status):
                client.set_terminated(run_id, status)

    def is_refusal(self, error: Exception) -> bool:
        """Whether MLflow understood the request and does not want it."""
        return isinstance(error, FileNotFoundError) or getattr(error, "error_code", None) in _REFUSALS

    def _experiment_id(self, client: Any) -> str:
        found = client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        # MLflow would put a sqlite store's artifacts into ./mlruns, wherever the job was started.
        file = sqlite_file(self._uri)
        location = file.with_name("mlflow_artifacts").as_uri() if file else None
        return str(client.create_experiment(self._experiment, artifact_location=location))


def _import_mlflow(uri: str) -> None:
    """Import what will be used, in this thread, and quietly: two threads that import at once can trip over each other.

    Sets shorter time-outs than MLflow's, which waits for minutes, where nobody has set any.
    """
    import mlflow.entities
    import mlflow.environment_variables as settings
    import mlflow.store.tracking.rest_store

    if uri.startswith("sqlite:"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    shorter: list[tuple[Any, int]] = [
        (settings.MLFLOW_HTTP_REQUEST_TIMEOUT, 10),
        (settings.MLFLOW_HTTP_REQUEST_MAX_RETRIES, 1),
    ]
    for setting, value in shorter:
        if not setting.is_set():
            setting.set(value)
    for library in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(library).setLevel(logging.ERROR)


def sqlite_uri(folder: Path) -> str:
    """Tracking URI of ``mlflow.db`` in ``folder``, which is created if need be.

    SQLAlchemy unquotes the path and ends it at a question mark; other characters stand for themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder.resolve() / "mlflow.db").replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}"


def sqlite_file(uri: str) -> Path | None:
    """The database of a ``sqlite:`` URI as SQLAlchemy reads it, absolute; None of other URIs and of one in memory."""
    if not uri.startswith("sqlite:"):
        return None
    path = unquote(uri.partition("///")[2].partition("?")[0])
    return None if path in {"", ":memory:"} else Path(path).absolute()


def _remove_stray_folders(uri: str) -> None:
    """MLflow makes the folders of a sqlite URI as they are quoted; those that stand beside the real ones are empty."""
    file = sqlite_file(uri)
    made = Path(uri.removeprefix("sqlite:///")).absolute().parent
    if file is None or made == file.parent:
        return
    for folder in (made, *made.parents):
        with contextlib.suppress(OSError):  # a folder with something in it
            if "%" in folder.name:
                folder.rmdir()
