from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from drpose_ray.config import Config
from drpose_ray.tracking import flatten, sqlite_uri, start_tracking


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
