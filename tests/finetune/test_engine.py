"""The optimiser step, and the average of the weights, do not depend on how many ranks share the batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from tests.finetune.ranks import run_ranks

LEARNING_RATE, ACCUMULATION, BATCH, SIDE = 1e-2, 2, 4, 6
ACTIVE_STEPS = (2, 1, 2, 1)  # as the literal draw does it: backward calls vary from micro-step to micro-step
ZERO_STAGES = (1, 2, 3)
DECAY = 0.2
NUM_SMALL_STEPS, SMALL_STEP = 40, 4e-4
OPTIMISER = {"betas": (0.9, 0.999), "weight_decay": 0.01}


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 4, 3, padding=1))


def _call(iteration: int, micro_step: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Input and cotangent of one denoiser call, for the whole batch."""
    generator = torch.Generator().manual_seed(1 + k + 10 * micro_step + 100 * iteration)
    return torch.randn(2, BATCH, 4, SIDE, SIDE, generator=generator).unbind()


def _train_rank(rank: int, folder: Path) -> None:
    for zero_stage in ZERO_STAGES:
        trained = _train_with_engine(rank, dist.get_world_size(), zero_stage, folder / f"average_{zero_stage}")
        if rank == 0:
            save_file(trained, folder / f"stage_{zero_stage}.safetensors")


def _train_with_engine(rank: int, world_size: int, zero_stage: int, folder: Path) -> dict[str, torch.Tensor]:
    from drpose_ray.finetune.engine.average import WeightAverage
    from drpose_ray.finetune.engine.engine import DenoiserEngine

    engine = DenoiserEngine(
        _network(), **OPTIMISER, max_grad_norm=1.0, gradient_accumulation=ACCUMULATION, zero_stage=zero_stage
    )
    average = WeightAverage(engine, DECAY)
    share = slice(rank * BATCH // world_size, (rank + 1) * BATCH // world_size)
    norms = []
    for iteration in range(len(ACTIVE_STEPS)):
        for micro_step in range(ACCUMULATION):
            for k in range(ACTIVE_STEPS[(iteration + micro_step) % len(ACTIVE_STEPS)]):
                x, cotangent = (tensor[share] for tensor in _call(iteration, micro_step, k))
                engine.backward((cotangent * engine.network(x)).sum((1, 2, 3)).mean())
        norms.append(engine.step(LEARNING_RATE))
        average.update()
    weights, averaged = engine.trained_weights(), average.whole()
    assert (weights.keys() == averaged.keys() == dict(_network().named_parameters()).keys()) == (rank == 0)
    folder.mkdir(exist_ok=True)
    average.save(folder)
    dist.barrier()
    again = WeightAverage(engine, DECAY)
    again.load(folder)
    assert all(torch.equal(value, averaged[name]) for name, value in again.whole().items())
    whole = engine.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in weights.items())
    return {**whole, **{f"average.{name}": value for name, value in averaged.items()}, "norms": torch.tensor(norms)}


def _train_plainly() -> dict[str, torch.Tensor]:
    network = _network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, **OPTIMISER)
    norms, averaged = [], {name: p.detach().clone() for name, p in network.named_parameters()}
    for iteration in range(len(ACTIVE_STEPS)):
        loss = torch.zeros(())
        for micro_step in range(ACCUMULATION):
            for k in range(ACTIVE_STEPS[(iteration + micro_step) % len(ACTIVE_STEPS)]):
                x, cotangent = _call(iteration, micro_step, k)
                loss = loss + (cotangent * network(x)).sum((1, 2, 3)).mean() / ACCUMULATION
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0))
        optimizer.step()
        decay = min(DECAY, (1 + iteration) / (10 + iteration))
        averaged = {name: decay * averaged[name] + (1 - decay) * p.detach() for name, p in network.named_parameters()}
    return {
        **{name: tensor.detach() for name, tensor in network.state_dict().items()},
        **{f"average.{name}": tensor for name, tensor in averaged.items()},
        "norms": torch.stack(norms),
    }


@pytest.mark.slow
def test_two_ranks_give_the_single_process_step(tmp_path: Path) -> None:
    run_ranks(_train_rank, 2, tmp_path, tmp_path)
    expected = _train_plainly()
    assert (expected["norms"] > 1).all()  # clipping is at work in every step
    for zero_stage in ZERO_STAGES:
        trained = load_file(tmp_path / f"stage_{zero_stage}.safetensors")
        torch.testing.assert_close(trained.pop("norms"), expected["norms"], rtol=1e-5, atol=0)
        assert trained.keys() == expected.keys() - {"norms"}
        for name, tensor in trained.items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=f"{name}, stage {zero_stage}")
    assert not list(tmp_path.glob("extensions/**/*.so")), "DeepSpeed compiled an operator"


def _train_in_bfloat16(_rank: int, folder: Path) -> None:
    from drpose_ray.finetune.engine.engine import DenoiserEngine

    for zero_stage in ZERO_STAGES:
        weight = nn.Linear(8, 1, bias=False)
        nn.init.ones_(weight.weight)
        engine = DenoiserEngine(
            weight.bfloat16(), betas=(0.9, 0.999), weight_decay=0.0, max_grad_norm=1.0, gradient_accumulation=1,
            zero_stage=zero_stage, precision=torch.bfloat16,
        )  # fmt: skip
        for _ in range(NUM_SMALL_STEPS):
            engine.backward(engine.network(torch.ones(2, 8, dtype=torch.bfloat16)).float().mean())
            engine.step(SMALL_STEP)
        assert next(weight.parameters()).dtype == torch.bfloat16
        save_file(engine.trained_weights(), folder / f"bfloat16_{zero_stage}.safetensors")


@pytest.mark.slow
def test_in_bfloat16_small_steps_add_up_in_float32_masters(tmp_path: Path) -> None:
    """A step of 4e-4 is a tenth of bfloat16's resolution below 1: without masters the weights would never move."""
    run_ranks(_train_in_bfloat16, 1, tmp_path, tmp_path)
    for zero_stage in ZERO_STAGES:
        trained = load_file(tmp_path / f"bfloat16_{zero_stage}.safetensors")["weight"].float()
        torch.testing.assert_close(trained, torch.full((1, 8), 1 - NUM_SMALL_STEPS * SMALL_STEP), rtol=0, atol=4e-3)


def test_a_worker_imports_nothing_that_takes_seconds_before_it_loads_a_model() -> None:
    code = (
        "import drpose_ray.finetune.step, sys; print({'mlflow', 'diffusers', 'transformers', 'peft'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
