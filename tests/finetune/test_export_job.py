"""jobs/export.py on a run of the real job, and folders that are not a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from drpose_ray.finetune import job as finetune
from drpose_ray.finetune.checkpoint import export_job as export
from tests.diffusion.published_configs import PSHUMAN_TINY
from tests.finetune.paper_run import write_paper_run


@pytest.mark.slow
def test_a_pshuman_folder_is_post_trained_and_exported(
    tmp_path: Path, ray_session: None, tracking_uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """`configs/paper.yaml` on a generated checkpoint: LoRA under ZeRO 2 with an average, then two exports."""
    from drpose_ray.diffusion.published.layout import load_i2mv

    argv = [
        *write_paper_run(tmp_path, PSHUMAN_TINY, tracking_uri), "--finetune.checkpoint.every", "1",
        "--finetune.model.lora_rank", "2", "--finetune.parallel.reference", "adapter_off",
        "--finetune.export.ema_decay", "0.9", "--finetune.optimizer.learning_rate", "0.01",
    ]  # fmt: skip
    assert finetune.main(argv) == 0
    run = tmp_path / "run" / "finetune" / "drpose"

    def exported(name: str, *flags: str) -> dict[str, torch.Tensor]:
        folder = tmp_path / name
        given = ["--export.finetuned", str(run), "--export.output", str(folder), *flags]
        assert export.main([*given, "--export.precision", "float32"]) == 0
        assert "base" in (folder / "README.md").read_text().lower()
        return load_i2mv(folder).unet.state_dict()

    first, last = exported("first", "--export.iterations", "1"), exported("last")
    averaged = exported("averaged", "--export.average", "true")
    start = load_i2mv(tmp_path / "base").unet.state_dict()
    key = "mid_block.attentions.0.transformer_blocks.0.attn_mv.to_q.weight"
    assert len({float(w[key].double().sum()) for w in (start, first, last, averaged)}) == 4
    untouched = "conv_in.weight"
    assert torch.equal(last[untouched], start[untouched])
    trained = load_i2mv(run / "model").unet.state_dict()  # the job exports the average, in half precision
    torch.testing.assert_close(trained[key], averaged[key].half().float())
    assert json.loads((tmp_path / "last" / "export.json").read_text())["iterations"] == 2

    capfd.readouterr()
    assert export.main(["--export.finetuned", str(run), "--export.iterations", "7"]) == 2
    assert "[1, 2]" in capfd.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export.main(["--export.finetuned", str(tmp_path)]) == 2
    said = capfd.readouterr().err
    assert "config.resolved.yaml" in said and "run jobs/finetune.py first" in said and said.count("remedy:") == 1
