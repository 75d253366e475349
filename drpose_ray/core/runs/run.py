"""One folder per run of a job: what was asked, with what it ran, what was measured, and a marker when it ended."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from drpose_ray.core.device import Device
from drpose_ray.core.errors import AnotherRunError, InputError, is_no_space, no_space
from drpose_ray.core.files.publish import file_sha256, replace_when_complete, writable, write_json
from drpose_ray.core.runs.lock import locked
from drpose_ray.core.secrets import redact
from drpose_ray.core.settings.config import Config, dump_config

CONFIG_FILE, RUN_FILE, METRICS_FILE, SUMMARY_FILE = "config.resolved.yaml", "run.json", "metrics.jsonl", "summary.json"

_POLL_SECONDS = 0.5

RECORDED_PACKAGES = (
    "anny", "bpy", "deepspeed", "diffusers", "drpose-ray", "embreex", "lpips", "mlflow", "numpy", "openexr", "pydantic",
    "ray", "smplx", "torch", "torchvision", "transformers", "webdataset",
)  # fmt: skip


class RunSettings(Config):
    """The ``run:`` section, shared by every job."""

    COMMON = ("folder", "seed")

    folder: Path = Field(default=Path("outputs/run"), description="Folder in which jobs put their run folders.")
    seed: int = Field(default=0, ge=0, description="Seed of every random stream of the run.")
    device: Device = Field(
        default="auto",
        description="Device of the networks. cuda: GPUs are asked for, and it is refused where a machine has none; "
        "auto: cuda where there are enough.",
    )
    tracking_uri: str | None = Field(
        default=None, description="MLflow tracking server; by default a sqlite file mlflow.db in the run's folder."
    )


class Summary(BaseModel):
    """Base of what a job reports at its end. Closed and finite, so that ``summary.json`` always meets its schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RunRecord(BaseModel):
    """What ``run.json`` says of a run: enough to tell why two runs of one configuration differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    command: tuple[str, ...]
    started_utc: datetime
    python: str
    machine: str
    cpus: int
    packages: dict[str, str | None]
    git_revision: str | None
    git_dirty: bool | None
    source_sha256: str
    """Of the code that ran, also where there is no git: equal exactly if two runs had the same Python files."""


class Run:
    """An open run folder. ``finish`` writes ``summary.json``, the marker that the run is complete."""

    def __init__(self, folder: Path, job: str, start_step: int = 0) -> None:
        self.folder, self.job = folder, job
        self._metrics = folder / METRICS_FILE
        self._keep_metrics_before(start_step)

    def log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line ``{"step": step, **values}`` to ``metrics.jsonl``; NaN and infinity become null."""
        line = {"step": step, **{name: _finite(value) for name, value in values.items()}}
        with self._metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, sort_keys=True) + "\n")

    def finish(self, summary: Summary) -> Path:
        """Publish ``summary.json`` and return its path."""
        path = self.folder / SUMMARY_FILE
        write_json(path, summary.model_dump(mode="json"))
        return path

    def _keep_metrics_before(self, step: int) -> None:
        """Drop the lines that a resumed run will write again, and a last line that a kill cut short."""
        if step == 0 or not self._metrics.exists():
            self._metrics.unlink(missing_ok=True)  # a link too, or lines would be added to what it leads to
            return
        kept = [line for line in read_metrics(self.folder) if line["step"] < step]
        with replace_when_complete(self._metrics) as temporary:
            temporary.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))


@contextmanager
def open_run(config: Config, folder: Path, job: str, start_step: int = 0) -> Iterator[Run]:
    """Create ``folder`` and record there the resolved configuration and the circumstances of the run.

    The folder is this run's alone until the end of the block. A summary left by an earlier run is removed first: a
    folder with a summary is a finished run of the configuration beside it. A resumed run passes ``start_step``, the
    first step it will log; metrics before it are kept. A run that is refused because the folder holds another leaves
    that one's records.

    Raises:
        InputError: the folder cannot be written, another job is writing into it, or a disk or quota that the run writes
            to is full, whatever error that comes as.
    """
    try:
        with writable(folder, "cannot create the run folder"):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, job), _kept_if_refused(folder):
            (folder / SUMMARY_FILE).unlink(missing_ok=True)
            dump_config(config, folder / CONFIG_FILE)
            write_json(folder / RUN_FILE, describe_run(job).model_dump(mode="json"))
            yield Run(folder, job, start_step)
    except InputError:
        raise
    except Exception as error:
        if is_no_space(error):
            raise no_space(folder, error) from error
        error.add_note(f"The run's folder is {folder.absolute()}.")
        raise


@contextmanager
def _kept_if_refused(folder: Path) -> Iterator[None]:
    """Put the records that ``folder`` had back if what the block asks for is another run than the one it holds."""
    files = [path for name in (CONFIG_FILE, RUN_FILE, METRICS_FILE, SUMMARY_FILE) if (path := folder / name).exists()]
    records = {path: path.read_bytes() for path in files}
    try:
        yield
    except AnotherRunError:
        for path, content in records.items():
            with replace_when_complete(path) as temporary:
                temporary.write_bytes(content)
        raise


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl`` in order; a last line cut short by a kill is left out."""
    lines = (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def following_metrics(run_folder: Path, on_metrics: Callable[[int, Mapping[str, Any]], None]) -> Iterator[None]:
    """Within the block, hand on what another process appends to the metrics file: each step once, also when a restart
    repeats some.
    """
    stop = threading.Event()

    def follow() -> None:
        following, seen_size = 0, -1
        while True:
            last_look = stop.wait(_POLL_SECONDS)
            size = path.stat().st_size if path.exists() else -1
            if size != seen_size:
                seen_size = size
                for line in read_metrics(run_folder):
                    if line["step"] >= following:
                        following = line["step"] + 1
                        on_metrics(line.pop("step"), line)
            if last_look:
                return

    path = run_folder / METRICS_FILE
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def describe_run(job: str) -> RunRecord:
    """The circumstances of a run of ``job`` that starts now in this process."""
    revision = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain")
    return RunRecord(
        job=job,
        command=tuple(map(redact, sys.orig_argv)),
        started_utc=datetime.now(UTC),
        python=platform.python_version(),
        machine=platform.platform(),
        cpus=os.cpu_count() or 1,
        packages={name: _version(name) for name in RECORDED_PACKAGES},
        git_revision=revision,
        git_dirty=None if changes is None else bool(changes),
        source_sha256=_source_sha256(),
    )


def _source_sha256() -> str:
    """Hash of the names and bytes of all modules of this package and of the jobs beside it."""
    root, digest = Path(__file__).resolve().parents[3], hashlib.sha256()
    for path in sorted(path for package in ("drpose_ray", "jobs") for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Git's answer about the checkout this package lies in; a Ray working directory or a wheel has none."""
    checkout = Path(__file__).resolve().parents[3]
    command = ["git", "-C", str(checkout), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
