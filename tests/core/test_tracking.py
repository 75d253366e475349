from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from pydantic import Field

from drpose_ray.core.runs.run import RunSettings
from drpose_ray.core.settings.config import Config
from drpose_ray.core.settings.dotted import flatten
from drpose_ray.core.tracking.mlflow_run import sqlite_file
from drpose_ray.core.tracking.tracker import sqlite_uri, start_tracking


class Finetune(Config):
    kl_weight: float = Field(0.01, description="w_KL")


class Job(Config):
    finetune: Finetune = Finetune()


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sqlite_uri(tmp_path_factory.mktemp("tracking") / "run")


def test_nested_settings_get_dotted_names() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


@pytest.mark.slow
def test_a_run_holds_parameters_metrics_by_step_and_artifacts(uri: str, tmp_path: Path) -> None:
    """Read back through MLflow itself; artifacts lie beside the database, not in the current directory."""
    from mlflow import MlflowClient

    report = tmp_path / "report.html"
    report.write_text("<p>views</p>")
    with start_tracking(uri, "finetune", "first") as tracker:
        tracker.log_params(Job())
        tracker.log_metrics(1, {"loss": 2.0, "gone": float("nan")})
        tracker.log_metrics(2, {"loss": 1.0})
        tracker.log_artifact(report)

    client = MlflowClient(uri)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"finetune.kl_weight": "0.01"}
    assert [(m.step, m.value) for m in client.get_metric_history(tracker.run_id, "loss")] == [(1, 2.0), (2, 1.0)]
    assert "gone" not in run.data.metrics
    stored = Path(uri.removeprefix("sqlite:///")).parent / "mlflow_artifacts" / tracker.run_id
    assert (stored / "artifacts" / "report.html").read_text() == "<p>views</p>"


@pytest.mark.slow
def test_a_failed_child_run_can_be_taken_up_again_under_its_parent(uri: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    with start_tracking(uri, "sweep", "parent") as parent:
        with pytest.raises(RuntimeError), start_tracking(uri, "sweep", "child", parent=parent.run_id) as child:
            raise RuntimeError
        assert client.get_run(child.run_id).info.status == "FAILED"
        with start_tracking(uri, "sweep", "child", run_id=child.run_id) as resumed:
            resumed.log_metrics(3, {"reward": -0.5})
    run = client.get_run(child.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.metrics == {"reward": -0.5}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b%20c?d=1#ä", "e+f;g&h 100%"])
def test_a_folder_of_any_name_holds_its_database_and_artifacts(name: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    folder, report = tmp_path / name, tmp_path / "report.html"
    report.write_text("views")
    uri = sqlite_uri(folder)
    assert sqlite_file(uri) == folder / "mlflow.db"
    with start_tracking(uri, "finetune", "first") as tracker:
        tracker.log_metrics(1, {"loss": 2.0})
        tracker.log_artifact(report)
    assert sorted(path.name for path in folder.iterdir()) == ["mlflow.db", "mlflow_artifacts"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "report.html"])
    run = MlflowClient(uri).get_run(tracker.run_id)
    assert run.data.metrics == {"loss": 2.0}
    assert (folder / "mlflow_artifacts" / str(tracker.run_id) / "artifacts" / "report.html").read_text() == "views"
    stored = download_artifacts(run_id=tracker.run_id, artifact_path="report.html", tracking_uri=uri)
    assert Path(stored).read_text() == "views"


@pytest.mark.slow
def test_parameters_show_no_password(uri: str) -> None:
    from mlflow import MlflowClient

    with start_tracking(uri, "finetune", "first") as tracker:
        tracker.log_params(RunSettings(tracking_uri="http://anna:hunter2@host"))
    assert MlflowClient(uri).get_run(tracker.run_id).data.params["tracking_uri"] == "http://***@host"


@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "a server that never answers"])
def test_a_server_that_is_down_costs_one_line_and_no_time(
    silent: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if silent:
            server.listen()
        uri = f"http://anna:hunter2@127.0.0.1:{server.getsockname()[1]}"
        begin = time.monotonic()
        with start_tracking(uri, "finetune", "first") as tracker:
            for step in range(100):
                tracker.log_metrics(step, {"loss": 1.0})
            logged = time.monotonic() - begin
            assert tracker.run_id is None  # waits until it is known
        ended = time.monotonic() - begin
    assert logged < 10  # importing MLflow
    assert ended < 60
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in said] == ["tracking", "tracking"]
    assert "does not answer" in said[0] and "101 entries were not delivered" in said[1]
    assert "hunter2" not in "".join(said)


@pytest.mark.slow
def test_a_value_that_mlflow_refuses_costs_itself_only(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    from mlflow import MlflowClient

    with start_tracking(uri, "finetune", "first") as tracker:
        tracker.log_params(Job())
        tracker.log_params(Job(finetune=Finetune(kl_weight=3)))
        tracker.log_metrics(1, {"loss": 2.0})
    run = MlflowClient(uri).get_run(tracker.run_id)
    assert (run.info.status, run.data.metrics, run.data.params) == (
        "FINISHED", {"loss": 2.0}, {"finetune.kl_weight": "0.01"},
    )  # fmt: skip
    assert capsys.readouterr().err.count("refuses an entry") == 1


@pytest.mark.slow
def test_what_was_logged_before_a_server_came_up_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.setattr("drpose_ray.core.tracking.delivery._RETRY_SECONDS", 0.2)
    folder = tmp_path / "later"
    uri = sqlite_uri(folder)
    folder.rmdir()
    folder.write_text("in the way")
    with start_tracking(uri, "finetune", "first") as tracker:
        tracker.log_metrics(1, {"loss": 2.0})
        tracker._delivery.wait_until_open(60)
        folder.unlink()
        folder.mkdir()
        end = time.monotonic() + 60
        while tracker.run_id is None and time.monotonic() < end:
            time.sleep(0.1)
    assert MlflowClient(uri).get_run(tracker.run_id).data.metrics == {"loss": 2.0}


def test_a_queue_has_a_bound(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from drpose_ray.core.tracking.delivery import Delivery

    class Gone:
        name = "nowhere"

        def open(self) -> None:
            raise ConnectionError("refused")

        def send(self, _: object) -> None:
            raise AssertionError

        def is_refusal(self, _: Exception) -> bool:
            return False

    monkeypatch.setattr("drpose_ray.core.tracking.delivery.MOST_WAITING", 3)
    delivery = Delivery(Gone())
    for number in range(10):
        delivery.put(number)
    assert len(delivery._waiting) == 3
    delivery.close(5)
    assert "10 entries were not delivered" in capsys.readouterr().err
