"""The plan against what a real step has alive, counted from the first parameter to the end of the second step."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from drpose_ray.diffusion.condition import Condition
from drpose_ray.diffusion.unet.multiview_unet import MultiViewUNet
from drpose_ray.finetune.engine.lora import add_lora
from drpose_ray.finetune.memory import job
from drpose_ray.finetune.memory.memory import LiveBytes
from drpose_ray.finetune.memory.plan_memory import plan_memory
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_FULL, PSHUMAN_TINY
from tests.finetune.settings import finetune_config

GIB = 2**30


def measured_peak(config: FinetuneConfig, unet_config: dict[str, Any]) -> int:
    """Two replayed calls with an optimiser step each, on the CPU."""
    with LiveBytes() as counted:
        network = MultiViewUNet(**unet_config).requires_grad_(True)
        initial = copy.deepcopy(network).requires_grad_(False) if config.parallel.reference == "resident" else None
        if config.model.lora_rank:
            add_lora(network, config.model.lora_rank, seed=0)
        if config.parallel.block_checkpointing:
            network.enable_gradient_checkpointing()
        optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], fused=True)
        side, views, objects = unet_config["sample_size"], network.num_views, config.optimizer.batch_size
        latents = torch.randn(2, objects, views, 4, side, side)
        condition = Condition(
            torch.randn(2, objects, views, 4, side, side), torch.randn(2, objects, views, 36),
            torch.randn(2, views, 77, 40),
        )  # fmt: skip
        for _ in range(2):
            with torch.no_grad():
                target = (initial or network)(latents, 500, condition)
            (network(latents, 500, condition) - target + 1).square().mean().backward()
            optimizer.step()
            for parameter in network.parameters():  # kept, as DeepSpeed keeps its gradient buffers
                if parameter.grad is not None:
                    parameter.grad.zero_()
    return counted.peak


@pytest.mark.parametrize("unet_config", [PSHUMAN_TINY, ERA3D_TINY], ids=["pshuman", "era3d"])
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer.batch_size": 1}, {"optimizer.batch_size": 2, "parallel.block_checkpointing": True},
        {"optimizer.batch_size": 1, "model.lora_rank": 4, "parallel.reference": "adapter_off"},
    ],
    ids=["full", "checkpointed", "lora"],
)  # fmt: skip
def test_the_plan_is_within_15_percent(settings: dict[str, Any], unet_config: dict[str, Any]) -> None:
    config = finetune_config({"parallel.zero_stage": 1, "parallel.num_workers": 1, **settings})
    planned, measured = plan_memory(config, unet_config).peak, measured_peak(config, unet_config)
    assert planned == pytest.approx(measured, rel=0.15)


def test_settings_save_what_they_promise_at_full_size() -> None:
    def plan(settings: dict[str, object] | None = None) -> Any:
        base = {"model.precision": "bfloat16", "parallel.block_checkpointing": True}
        return plan_memory(finetune_config({**base, **(settings or {})}), PSHUMAN_FULL)

    full = plan()
    assert full.weights == 2 * 919_783_684 and full.reference == full.weights
    assert full.optimizer == 12 * 919_783_684  # two moments and the float32 master
    split = plan({"parallel.objects_per_replay": 1})
    assert split.activations == pytest.approx(full.activations / 2, rel=0.1)
    assert plan({"parallel.reference": "offloaded"}).reference < 0.75 * full.reference
    lora = plan({"model.lora_rank": 16, "parallel.reference": "adapter_off"})
    assert lora.reference == 0 and lora.optimizer < 0.03 * full.optimizer
    sharded = {"parallel.num_workers": 8, "parallel.zero_stage": 3, "parallel.reference": "sharded"}
    eight = plan({**sharded, "optimizer.batch_size": 8})
    assert eight.weights == full.weights // 8 and eight.optimizer == full.optimizer // 8
    assert plan({"parallel.offload": ["optimizer"]}).optimizer == 0
    assert full.average == 0 and plan({"export.ema_decay": 0.9}).average == 4 * 919_783_684


def test_the_job_prints_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(ERA3D_TINY))
    run = ["--run.folder", str(tmp_path / "run")]
    assert job.main(["--finetune.model.base", str(tmp_path), "--finetune.optimizer.batch_size", "1", *run]) == 0
    printed = capsys.readouterr().out
    assert "activations" in printed and "peak" in printed
    summary = json.loads((tmp_path / "run" / "plan_memory" / "summary.json").read_text())
    assert summary.pop("peak") == sum(summary.values()) > 0
    assert job.main(["--finetune.model.base", str(tmp_path / "nowhere"), *run]) == 2
