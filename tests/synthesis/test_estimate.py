"""Plans of datasets: arithmetic that can be done by hand, counts that are the benchmark's, and the job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.rows import Manifest
from drpose_ray.synthesis.config import MimoConfig, SynthesisConfig
from drpose_ray.synthesis.mimo.flops import MimoFlops, count_mimo_flops
from drpose_ray.synthesis.planning import job as plan_synthesis
from drpose_ray.synthesis.planning.config import GpuRate, PlanningConfig
from drpose_ray.synthesis.planning.estimate import Assumption, WindowNeeds, estimate, format_estimate
from drpose_ray.synthesis.planning.window_needs import measure_window
from tests.datasets.builder.stripes import Stripes, make_windows, silent

TWIN = WindowNeeds(generator="twin", num_frames=10, stored_bytes=1000.0, cpu_s=36.0, assumptions=())
MIMO = WindowNeeds(
    generator="mimo", num_frames=10, stored_bytes=1000.0, cpu_s=36.0, assumptions=(), flop=72e12, flop_of_photo=18e12,
    flop_of_worker=9e12, num_photos=8, photos_kept=4,
)  # fmt: skip
GPU = GpuRate(name="card", tflops=4, utilisation=0.5, price_per_hour=3)


def mimo_config(gpus_per_worker: float = 1.0, image_size: int = 784) -> MimoConfig:
    return MimoConfig(
        weights=Path("none"), photos=Path("none"), photo_licence="none", color_table=Path("none"),
        image_size=image_size, gpus_per_worker=gpus_per_worker,
    )  # fmt: skip


def test_the_twins_plan_is_windows_times_what_one_takes() -> None:
    synthesis = SynthesisConfig(sequences_per_shard=16, workers=4)
    planning = PlanningConfig(sizes=(15_000, 155), cpu_price_per_hour=0.1, failure_rate=0.02)
    many, few = estimate(synthesis, planning, TWIN).sizes
    assert (many.windows, many.shards, many.frames, many.bytes) == (1500, 94, 15_000, 1_500_000)
    assert (many.gpu, many.gpu_hours, many.gpu_hours_held) == (None, 0, 0)
    assert many.objects == 2 * 94 + 3 and many.peak_disk_bytes == 1_500_000 + 4 * 16 * 1000
    assert many.cpu_hours == pytest.approx(15) and many.cost == pytest.approx(1.5)
    assert many.wall_hours == pytest.approx(15 * 24 / 94)  # one of four workers builds 24 of 94 shards
    assert (many.windows_failed, many.windows_filtered) == (pytest.approx(30), 0)
    assert (few.windows, few.shards, few.frames) == (16, 1, 160)
    assert few.wall_hours == pytest.approx(0.16)  # one shard keeps one worker busy


def test_mimos_plan_pays_for_photos_and_for_gpus_that_wait_for_cores() -> None:
    synthesis = SynthesisConfig(mimo=mimo_config(), sequences_per_shard=10, workers=5)
    planning = PlanningConfig(sizes=(10_000,), gpus=(GPU,), cpu_price_per_hour=0.5)
    (row,) = estimate(synthesis, planning, MIMO).sizes
    # 1,000 windows of 36 s; half of them and 4 per worker meet an unknown photo (9 s); 5 whites of 4.5 s.
    gpu_hours = (1000 * 36 + (500 + 20) * 9 + 5 * 4.5) / 3600
    assert row.gpu_hours == pytest.approx(gpu_hours)
    assert row.gpu_hours_held == pytest.approx(gpu_hours + 10)
    assert row.wall_hours == pytest.approx((gpu_hours + 10) / 5)
    assert row.cost == pytest.approx((gpu_hours + 10) * 3.5)
    shared = synthesis.model_copy(update={"mimo": mimo_config(gpus_per_worker=0.5)})
    (half,) = estimate(shared, planning, MIMO).sizes
    assert half.gpu_hours == row.gpu_hours
    assert half.gpu_hours_held == pytest.approx(gpu_hours + 5)  # one renders while the other computes
    assert half.wall_hours == pytest.approx((2 * gpu_hours + 10) / 5)


def test_no_price_gives_no_cost_and_every_gpu_a_row() -> None:
    other = GPU.model_copy(update={"name": "other", "tflops": 8, "price_per_hour": None})
    planning = PlanningConfig(sizes=(100, 200), gpus=(GPU, other), cpu_price_per_hour=0.0)
    found = estimate(SynthesisConfig(mimo=mimo_config()), planning, MIMO)
    assert [(row.poses, row.gpu) for row in found.sizes] == [
        (100, "card"), (100, "other"), (200, "card"), (200, "other"),
    ]  # fmt: skip
    assert found.sizes[1].gpu_hours == pytest.approx(found.sizes[0].gpu_hours / 2)
    assert found.sizes[0].cost is not None and found.sizes[1].cost is None
    assert {"given"} < {note.origin for note in found.assumptions}


def test_failures_are_read_from_a_finished_dataset(tmp_path: Path) -> None:
    windows = make_windows(8, clips={0: "refused", 1: "half-drawn"})
    finished: Manifest = build(plan_build(windows, Stripes(), tmp_path, 4), Stripes(), silent)
    assert (finished.frames_failed, finished.identity.frames) == (3 + 1, 24)
    planning = PlanningConfig(sizes=(600,), failures_like=tmp_path)
    (row,) = estimate(SynthesisConfig(), planning, TWIN).sizes
    assert row.windows_failed == pytest.approx(10)
    with pytest.raises(InputError, match="not a finished dataset"):
        estimate(SynthesisConfig(), PlanningConfig(failures_like=tmp_path / "other"), TWIN)


def test_mimo_on_cpus_and_unknown_photos_are_refused() -> None:
    with pytest.raises(InputError, match="MIMO on CPUs is not planned"):
        estimate(SynthesisConfig(mimo=mimo_config(gpus_per_worker=0)), PlanningConfig(), MIMO)
    with pytest.raises(InputError, match="No such file") as refused:
        measure_window(SynthesisConfig(mimo=mimo_config()), PlanningConfig(), make_windows(1), 0)
    assert refused.value.field == "photos"


def test_a_sequence_is_its_steps_its_frames_and_its_poses() -> None:
    one = MimoFlops(
        num_frames=10, image_encoder=1, vae_encode=10, reference_unet=100, project=1000, pose_guider=5,
        denoiser_step=70, vae_decode=3,
    )  # fmt: skip
    assert one.of_photo == 1111
    assert one.of_sequence(25) == 5 + 25 * 70 + 10 * 3


@pytest.mark.slow
def test_published_networks_take_the_operations_of_the_benchmark() -> None:
    """docs/benchmarks/mimo_flops.md: 65.898 TFLOP a step, 1707.8 a further and 1715.8 a first sequence of a photo."""
    counted = count_mimo_flops(784, 10)
    assert counted.denoiser_step / 1e12 == pytest.approx(65.898, abs=5e-4)
    assert counted.of_sequence(25) / 1e12 == pytest.approx(1707.8, abs=0.05)
    assert (counted.of_sequence(25) + counted.of_photo + counted.vae_encode) / 1e12 == pytest.approx(1715.8, abs=0.05)
    unguided = count_mimo_flops(784, 10, guided=False).denoiser_step
    assert 0.5 * counted.denoiser_step < unguided < 0.6 * counted.denoiser_step  # the half that reads the photo


def test_the_table_names_what_it_stands_on() -> None:
    note = Assumption(origin="measured here", what="a window's bytes", value="1,000")
    needs = WindowNeeds(generator="twin", num_frames=10, stored_bytes=1e6, cpu_s=36.0, assumptions=(note,))
    text = format_estimate(estimate(SynthesisConfig(), PlanningConfig(sizes=(1_500_000,)), needs))
    assert "1,500,000  150,000   9,375   18,753      150" in text
    assert "measured here  a window's bytes: 1,000" in text and "1.00% of the windows fail" in text


def _plan(folder: Path, *flags: str) -> dict[str, object]:
    common = ["--run.folder", str(folder), "--planning.measured_windows", "1", "--planning.sizes", "[100, 1000]"]
    assert plan_synthesis.main([*common, *flags]) == 0
    summary: dict[str, object] = json.loads((folder / "plan_synthesis" / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_mimo_is_planned_without_weights_and_its_bytes_can_be_given(tmp_path: Path) -> None:
    mimo = json.loads(mimo_config(image_size=64).model_dump_json())
    flags = ["--synthesis.mimo", json.dumps(mimo), "--planning.num_photos", "9"]
    found = _plan(tmp_path / "given", *flags, "--planning.bytes_per_pixel", "0.5")["sizes"]
    assert isinstance(found, list)
    assert found[0]["bytes"] == 10 * 0.5 * 10 * 64 * 64
    assert found[0]["gpu_hours"] > 0 and found[0]["gpu_hours_held"] > found[0]["gpu_hours"]


@pytest.mark.slow
def test_the_job_measures_the_twin_and_bytes_grow_with_pixels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = (
        _plan(tmp_path / size, "--synthesis.clothed_body.image_size", size)["sizes"] for size in ("32", "96")
    )
    assert isinstance(small, list) and isinstance(large, list)
    assert small[1]["windows"] == 100 and small[1]["bytes"] == pytest.approx(10 * small[0]["bytes"], rel=1e-3)
    assert small[0]["bytes"] < large[0]["bytes"]
    assert small[1]["cpu_hours"] == pytest.approx(10 * small[0]["cpu_hours"]) and small[1]["cpu_hours"] > 0
    assert "measured here" in capsys.readouterr().out


def test_the_job_refuses_a_selection_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--run.folder", str(tmp_path), "--synthesis.selection", str(tmp_path / "absent.parquet")]
    assert plan_synthesis.main(flags) == 2
    assert "cannot read the selection" in capsys.readouterr().err
    assert not (tmp_path / "plan_synthesis").exists()
