"""Every training mode, on random checkpoints in both published layouts, gives the same step."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.reward.config import DistanceConfig, PredictorConfig
from tests.diffusion.published_checkpoint import write_published
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_TINY
from tests.finetune.ranks import run_ranks
from tests.finetune.settings import finetune_config
from tests.finetune.tiny_run import write_tiny_dataset

LAYOUTS: dict[str, dict[str, Any]] = {"pshuman": PSHUMAN_TINY, "era3d": ERA3D_TINY}
_LORA: dict[str, Any] = {"model.lora_rank": 2, "optimizer.learning_rate": 1e-3}
# The first of each group is what the others must equal.
MODES: dict[str, dict[str, dict[str, Any]]] = {
    "full": {
        "resident": {},
        "offloaded": {"parallel.reference": "offloaded"},
        "sharded": {"parallel.reference": "sharded"},
        "zero3_sharded": {"parallel.zero_stage": 3, "parallel.reference": "sharded"},
        "zero3_resident_offload": {"parallel.zero_stage": 3, "parallel.offload": ("optimizer", "parameters")},
        "split_checkpointed": {
            "parallel.objects_per_replay": 1,
            "parallel.block_checkpointing": True,
            "parallel.offload": ("optimizer",),
        },
    },
    "lora": {
        "resident": {**_LORA},
        "adapter_off": {**_LORA, "parallel.reference": "adapter_off"},
        "zero3_adapter_off": {**_LORA, "parallel.reference": "adapter_off", "parallel.zero_stage": 3},
        "offloaded": {**_LORA, "parallel.reference": "offloaded"},
    },
}

# Era3D goes through all of them. PSHuman differs in its blocks, not in what is done to them: the extremes suffice.
ONLY_FOR_PSHUMAN = {"full": ("resident",), "lora": ("resident", "zero3_adapter_off")}
CHECKPOINTED = ("full_resident", "full_zero3_sharded", "lora_adapter_off", "lora_zero3_adapter_off")


def _modes(layout: str) -> dict[str, dict[str, dict[str, Any]]]:
    if layout == "era3d":
        return MODES
    return {group: {mode: MODES[group][mode] for mode in only} for group, only in ONLY_FOR_PSHUMAN.items()}


def _config(folder: Path, layout: str, changes: dict[str, Any]) -> FinetuneConfig:
    return finetune_config({
        "model.base": folder / layout, "reward.predictor": folder / f"{layout}.safetensors",
        "algorithm.num_sampling_steps": 3, "algorithm.num_train_steps": 2, "algorithm.max_early_stop": 1,
        "algorithm.plan": "in_prefix", "algorithm.kl_weight": 0.1, "optimizer.learning_rate": 1e-4,
        "optimizer.batch_size": 4, "optimizer.gradient_accumulation": 1, "optimizer.num_iterations": 2,
        "parallel.num_workers": 2, **changes,
    })  # fmt: skip


def _train_rank(rank: int, folder: Path, layout: str) -> None:
    for group, modes in _modes(layout).items():
        for mode, settings in modes.items():
            weights = _train(_config(folder, layout, settings), folder, rank, f"{group}_{mode}")
            if rank == 0:
                save_file(weights, folder / f"{group}_{mode}.safetensors")


def _train(config: FinetuneConfig, folder: Path, rank: int, name: str) -> dict[str, torch.Tensor]:
    from drpose_ray.datasets.shards.read import ShardReader
    from drpose_ray.finetune.checkpoint import checkpoint
    from drpose_ray.finetune.data import PairStream
    from drpose_ray.finetune.engine.engine import DenoiserEngine
    from drpose_ray.finetune.engine.lora import merge_lora
    from drpose_ray.finetune.models import load_models
    from drpose_ray.finetune.step import Updater

    models = load_models(config, DistanceConfig(perceptual_weight=0), torch.device("cpu"))
    engine = DenoiserEngine(
        models.denoiser, betas=config.optimizer.betas, weight_decay=config.optimizer.weight_decay,
        max_grad_norm=config.optimizer.max_grad_norm, gradient_accumulation=1, zero_stage=config.parallel.zero_stage,
        offload_optimizer="optimizer" in config.parallel.offload,
        offload_parameters="parameters" in config.parallel.offload,
    )  # fmt: skip
    reader = ShardReader(folder / "pairs", seed=3, rank=rank, world_size=config.parallel.num_workers)
    updater = Updater(config, 5, models, engine, PairStream(reader, config.batch_size_per_worker))
    for iteration in range(config.optimizer.num_iterations):
        metrics = updater.update(iteration)
        assert metrics["active_steps"] == 2 and metrics["grad_norm"] > 0
    assert metrics["kl"] > 0  # the second iteration is away from the start
    progress = checkpoint.RunState(2, updater.pairs_state(), updater.guard.state())
    if name in CHECKPOINTED:
        checkpoint.save(folder / f"{name}_{rank}", rank, engine, progress)
        dist.barrier()
        if rank == 0:  # as Ray Train does it
            for part in range(config.parallel.num_workers):
                shutil.copytree(folder / f"{name}_{part}", folder / name / "iteration_00000002", dirs_exist_ok=True)
    weights = merge_lora(engine.state_dict())
    if rank == 0:
        models.export(weights, folder / "exported", 2)
    return weights


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_placements_and_stages_agree_and_export_loads(layout: str, tmp_path: Path) -> None:
    from drpose_ray.diffusion.published.layout import load_i2mv
    from drpose_ray.finetune.checkpoint.zero_checkpoint import find_checkpoint, read_zero_checkpoint
    from drpose_ray.reward.predictor import SkeletonPredictor

    write_published(tmp_path / layout, LAYOUTS[layout])
    write_tiny_dataset(tmp_path / "pairs")
    side = LAYOUTS[layout]["sample_size"]
    torch.manual_seed(2)
    predictor = SkeletonPredictor(PredictorConfig(latent_size=side, map_size=side, channels=(8, 8)))
    predictor.save(tmp_path / f"{layout}.safetensors")
    run_ranks(_train_rank, 2, tmp_path, tmp_path, layout)

    start = load_file(tmp_path / layout / "unet" / "diffusion_pytorch_model.safetensors")
    for group, modes in _modes(layout).items():
        expected = load_file(tmp_path / f"{group}_resident.safetensors")
        moved = max(float((expected[name] - value.float()).abs().max()) for name, value in start.items())
        assert moved > 1e-4, "training moved the weights by ten times the tolerance"
        for mode in modes:
            trained = load_file(tmp_path / f"{group}_{mode}.safetensors")
            assert trained.keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(trained[name], value, rtol=0, atol=1e-5, msg=f"{group} {mode} {name}")
    trained_here = {f"{group}_{mode}" for group, modes in _modes(layout).items() for mode in modes}
    for name in trained_here.intersection(CHECKPOINTED):
        stored = read_zero_checkpoint(find_checkpoint(tmp_path / name), average=False)
        expected = load_file(tmp_path / f"{name}.safetensors")
        assert stored.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(stored[key], value, rtol=0, atol=1e-6, msg=f"{name} {key}")
    exported = load_i2mv(tmp_path / "exported")
    last = load_file(tmp_path / f"lora_{list(_modes(layout)['lora'])[-1]}.safetensors")
    for name, value in exported.unet.state_dict().items():
        torch.testing.assert_close(value, last[name].half().float(), rtol=0, atol=0)
    vae = "vae/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "exported" / vae).read_bytes() == (tmp_path / layout / vae).read_bytes()
    assert "kl_weight: 0.1" in (tmp_path / "exported" / "README.md").read_text()
