from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import Field

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import write_json
from drpose_ray.core.files.reading import reason
from drpose_ray.core.job import run_job
from drpose_ray.core.runs.run import RunSettings, open_run
from drpose_ray.core.secrets import is_redacted, redact
from drpose_ray.core.settings.config import Config, dump_config, load_config
from drpose_ray.experiments.pipeline import Stage, run_stage

URI = "postgresql://anna:hunter2@db.example:5432/mlflow?sslmode=require"
SHOWN = "postgresql://***@db.example:5432/mlflow?sslmode=require"


class Job(Config):
    run: RunSettings = Field(default=RunSettings(), description="the run")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URI, SHOWN),
        ("https://ghp_abc@host/x", "https://***@host/x"),
        ("http://a:p@ss/w#rd@host:80/x", "http://***@host:80/x"),
        ("s3:/key:secret@bucket/k", "s3:/***@bucket/k"),  # as a Path
        ("http://h/?a=1&api_key=k#f", "http://h/?a=1&api_key=***#f"),
        ("http://h/p?X-Amz-Signature=ab&X-Amz-Credential=c", "http://h/p?X-Amz-Signature=***&X-Amz-Credential=***"),
        ("http://h/p?pass=a&passphrase=b&jwt=c", "http://h/p?pass=***&passphrase=***&jwt=***"),
        ("http://a:123456/7@host/x", "http://***@host/x"),
        ("--http://a:b@host", "--http://***@host"),
        ("mysql://h/d?user=u&password=p", "mysql://h/d?user=u&password=***"),
        (f"cannot reach '{URI}' (refused)", f"cannot reach '{SHOWN}' (refused)"),
        (f"--run.tracking_uri={URI}", f"--run.tracking_uri={SHOWN}"),
    ],
)
def test_credentials_are_taken_out_of_uris(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown
    assert is_redacted(shown) and not is_redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://h:5000/a@b",
        "sqlite:////a@b/mlflow.db",
        "s3://bucket/key@2",
        "me@example.org",
        "a: b@c",
        "http://[::1]:80/",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert redact(text) == text and not is_redacted(text)


@pytest.mark.parametrize("part", ["a://b:", "a://b@", "?key", "&a-token", "a.", "s3:/", "//@"])
def test_a_long_text_takes_no_long_time(part: str) -> None:
    begun = time.process_time()
    redact(part * (200_000 // len(part)))
    assert time.process_time() - begun < 20  # 100 times as much, where time grows as the square


def test_no_file_of_a_run_holds_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "jobs.x", f"--run.tracking_uri={URI}", URI])
    with open_run(Job(run=RunSettings(tracking_uri=URI)), tmp_path, "job"):
        write_json(tmp_path / "more.json", {"uri": [URI]})
    for file in tmp_path.iterdir():
        assert "hunter2" not in file.read_text(), file.name
    assert json.loads((tmp_path / "run.json").read_text())["command"][-1] == SHOWN


def test_a_dumped_configuration_asks_for_the_uri_again(tmp_path: Path) -> None:
    config, file = Job(run=RunSettings(tracking_uri=URI, seed=3)), tmp_path / "config.resolved.yaml"
    dump_config(config, file)
    with pytest.raises(InputError) as refused:
        load_config(Job, ["--config", str(file)])
    assert refused.value.field == "run.tracking_uri"
    assert "--run.tracking_uri" in refused.value.remedy
    assert load_config(Job, ["--config", str(file), "--run.tracking_uri", URI]) == config


def test_the_stages_of_a_pipeline_get_the_whole_uri_and_leave_none(tmp_path: Path) -> None:
    seen = []

    def main(argv: Sequence[str] | None) -> int:
        seen.append(load_config(Job, argv))
        return 1  # what follows reads a summary

    stage = Stage("one", main, Job(run=RunSettings(tracking_uri=URI)), tmp_path / "one")
    run_stage(stage, tmp_path, "")
    assert seen == [stage.config]
    assert "hunter2" not in (tmp_path / "one.yaml").read_text()


def test_errors_and_tracebacks_of_jobs_show_no_password() -> None:
    error = InputError(f"no answer from {URI}", file=URI, value=URI, remedy=f"start {URI}")
    assert "hunter2" not in str(error) and "hunter2" not in repr(error)
    code = f"""
import threading, warnings
from drpose_ray.core.job import run_job

def fail():
    raise OSError({URI!r})

@run_job
def main(argv):
    warnings.warn({URI!r})
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        raise ConnectionError({URI!r})
    except ConnectionError as error:
        raise RuntimeError("could not log to {URI}") from error

main([])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert "OSError" in ended.stderr and "warning: " in ended.stderr
    assert "ConnectionError" in ended.stderr and "RuntimeError" in ended.stderr and SHOWN in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_refusal_that_a_job_prints_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    @run_job
    def main(argv: Sequence[str] | None) -> None:
        raise InputError("nothing there", value=URI, remedy="look")

    assert main([]) == 2
    assert capsys.readouterr().err == f"error: nothing there; value: '{SHOWN}'; remedy: look\n"


@pytest.mark.parametrize("length", range(150, 320, 7))
def test_a_uri_that_a_message_cuts_leaves_no_password(length: int) -> None:
    """Half a URI is not known for one, so credentials are taken out first."""
    text = "x" * length + " " + URI
    assert "hunter" not in reason(OSError(text)) and "hunter" not in str(InputError("no", value=text, remedy="look"))


def test_a_message_is_short_whatever_the_names_in_it_are() -> None:
    error = InputError("no such file", file="f" * 10**6, field="g" * 10**6, value="h" * 10**6, remedy="look")
    assert len(str(error)) < 5000 and str(error).endswith("remedy: look")
