"""The one training loop, on a network of four numbers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream, torch_stream
from drpose_ray.core.training.checkpoint import Checkpoint
from drpose_ray.core.training.data_parallel import ALONE, DataParallel, own_samples
from drpose_ray.core.training.fit import Fit
from drpose_ray.core.training.settings import FitSettings
from drpose_ray.core.training.validation import Validation
from tests.core.training.meeting import Meeting

SETTINGS = FitSettings(updates=12, warmup_updates=2, learning_rate=0.3, checkpoint_every=3)


def make_fit(
    settings: FitSettings = SETTINGS, share: DataParallel = ALONE, checkpoint: Checkpoint | None = None
) -> Fit[nn.Linear]:
    """Learns a plane from noisy points; the network is validated by its distance from it, which soon ceases to fall."""
    network = nn.Linear(3, 1)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    batches, noise = stream(0, "batches"), torch_stream(0, "noise")

    def loss(_: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        points = torch.from_numpy(batches.standard_normal((4, 3), np.float32))
        heights = points.sum(1, keepdim=True) + 0.5 * torch.randn(4, 1, generator=noise)
        own = own_samples(share, 4, "samples")
        error = (network(points[own]) - heights[own]).square().mean()
        return error, {"loss": error.detach()}

    validation = Validation[nn.Linear](lambda one: {"score": -float((one.weight - 1).norm())}, 2, 4, "score")
    streams = {"batches": batches, "noise": noise}
    return Fit(network, settings, loss, streams, validation=validation, share=share, checkpoint=checkpoint)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("killed_after", range(12))
def test_killed_after_any_update_it_goes_on_to_the_same_bits(killed_after: int, tmp_path: Path) -> None:
    expected: list[Mapping[str, float]] = []
    undisturbed = make_fit().run(lambda _, metrics: expected.append(metrics))

    def kill(update: int, _: Mapping[str, float]) -> None:
        if update == killed_after:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {"seed": 0})
    with pytest.raises(KeyboardInterrupt):
        make_fit(checkpoint=checkpoint).run(kill)
    begun = killed_after // 3 * 3
    assert checkpoint.updates_done() == begun
    seen: list[Mapping[str, float]] = []
    fit = make_fit(checkpoint=checkpoint)
    assert same(fit.run(lambda _, metrics: seen.append(metrics)), undisturbed)
    without_time = [[{**metrics, "seconds": 0.0} for metrics in each] for each in (seen, expected[begun:])]
    assert without_time[0] == without_time[1]
    checkpoint.remove()
    assert checkpoint.updates_done() == 0


def test_another_trainings_checkpoint_and_a_torn_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    make_fit(checkpoint=Checkpoint(path, {"seed": 0})).run()
    with pytest.raises(InputError, match="another seed"):
        make_fit(checkpoint=Checkpoint(path, {"seed": 1}))
    whole = path.read_bytes()
    for torn in (b"torn", whole.replace(b'{\\"seed', b'[\\"seed')):
        path.write_bytes(torn)
        with pytest.raises(InputError, match="not a checkpoint"):
            make_fit(checkpoint=Checkpoint(path, {"seed": 0}))


def test_two_processes_share_each_update_and_the_first_alone_reports(tmp_path: Path) -> None:
    alone = make_fit()
    pair = [make_fit(share=share, checkpoint=Checkpoint(tmp_path / "pair", {})) for share in Meeting(2).shares()]
    told: list[int] = []
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda fit: fit.run(lambda update, _: told.append(update)), pair)
    assert same(first, second) and told == list(range(12))
    for ours, expected in zip(first.parameters(), alone.run().parameters(), strict=True):
        torch.testing.assert_close(ours, expected)


def test_without_decay_the_average_is_the_last_weights() -> None:
    fit = make_fit(SETTINGS.model_copy(update={"ema_decay": 0.0}))
    for _ in range(5):
        fit.step()
    assert same(fit.average, fit.network)
    assert not fit.average.weight.requires_grad


def test_an_update_whose_gradient_is_not_finite_is_not_made() -> None:
    network = nn.Linear(2, 1)
    before = network.weight.detach().clone()
    fit = Fit(network, SETTINGS, lambda _: (network(torch.tensor([[1.0, torch.nan]])).sum(), {}), {})
    with pytest.raises(InputError, match="gradient of update 1 is not finite"):
        fit.step()
    assert torch.equal(network.weight, before) and torch.equal(fit.average.weight, before)


def test_learning_rate_warms_up_holds_and_falls_to_two_percent() -> None:
    schedule = FitSettings(updates=100, warmup_updates=9, cosine_tail=0.5, learning_rate=1.0).schedule()
    rates = [schedule.rate(update) for update in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[49] == 1.0
    assert rates[-1] == pytest.approx(0.02)
    assert all(a >= b for a, b in pairwise(rates[49:]))
