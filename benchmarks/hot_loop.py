"""What each iteration of post-training does around its network calls, before and after: in one run, on the small model.

    python benchmarks/hot_loop.py --output docs/benchmarks/hot_loop.md     # two minutes on two cores

* Weights for rollout actors: copied and put into Ray's store by every rank, against once by rank 0.
* Their moving average: gathered to the CPU of every rank and averaged there, against averaged where they are.
* Target maps: drawn for each stop and each member of an ensemble, against once per batch.

What is "before" is kept here as the baseline. Results are equal to the bit, which is checked first. Times are the
fastest of several runs: of ranks wall time between two barriers and the CPU time of all ranks, of maps CPU time.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import ray
import torch
import torch.distributed as dist
from measure import seconds
from page import hand_in

from drpose_ray.core.on_ray import local_or_cluster_ray
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.diffusion.published.layout import load_unet
from drpose_ray.finetune.distributed.loaders import Loaders
from drpose_ray.finetune.distributed.rollout_pool_on_ray import RolloutPool
from drpose_ray.finetune.engine.average import WeightAverage
from drpose_ray.finetune.engine.engine import DenoiserEngine
from drpose_ray.finetune.settings.finetune import FinetuneConfig
from drpose_ray.poses.procedural.kinematics import joints_from_rows
from drpose_ray.poses.sources import draw_pose
from drpose_ray.reward.config import DistanceConfig
from drpose_ray.reward.distance import SkeletonDistance
from drpose_ray.reward.pose_score import PoseScore
from drpose_ray.reward.predictor import SkeletonPredictor
from drpose_ray.reward.rewards import Ensemble, PoseReward, TargetMaps
from drpose_ray.reward.skeleton_maps import target_maps

BASE, PREDICTOR = Path("weights/small/i2mv"), Path("weights/small/predictor.safetensors")
RANKS, RUNS, DECAY = 2, 15, 0.999
PEOPLE, STOPS, MEMBERS = 2, 2, 3
CPU = torch.device("cpu")


def gathered(engine: DenoiserEngine) -> dict[str, torch.Tensor]:
    """Before: every rank copies all weights to its CPU."""
    module = engine.rollout_network
    return {name: p.detach().float().cpu().clone() for name, p in module.named_parameters()}


class AverageOnCpu:
    """Before: rank 0 averages what every rank gathered."""

    def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
        self.weights = {name: value.clone() for name, value in weights.items()}
        self._updates = 0

    def update(self, weights: Mapping[str, torch.Tensor]) -> None:
        decay = min(DECAY, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, value in weights.items():
            self.weights[name].lerp_(value, 1 - decay)


class PoolOfOwnPuts(RolloutPool):
    """Before: each rank puts its copy into Ray's store."""

    def set_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        stored = ray.put(dict(weights))
        for actor in self._actors:
            actor.set_weights.remote(stored)


class DrawnEachTime:
    """Before: PoseScore that draws its targets whenever it is asked."""

    def __init__(self, score: PoseScore, map_size: int) -> None:
        self._score, self._size = score, map_size

    def __call__(self, latents_x0: torch.Tensor, poses: PosedPeople) -> torch.Tensor:
        scores: torch.Tensor = self._score(latents_x0, target_maps(poses, self._size))
        return scores


@ray.remote(num_cpus=1)
class Rank:
    """One trainer with a rollout actor, without what it would do between two iterations."""

    def __init__(self, rank: int, meeting: str) -> None:
        torch.set_num_threads(1)
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(RANKS), LOCAL_RANK=str(rank), DS_ACCELERATOR="cpu")
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=RANKS)
        config = FinetuneConfig.model_validate({
            "model": {"base": BASE.absolute()}, "parallel": {"num_workers": RANKS},
            "optimizer": {"batch_size": RANKS}, "rollout": {"actors": {"num": RANKS}},
        })  # fmt: skip
        self._rank = rank
        self._engine = DenoiserEngine(
            load_unet(config.model.base).requires_grad_(True), betas=(0.9, 0.999), weight_decay=0.0, max_grad_norm=1.0,
            gradient_accumulation=1, zero_stage=2,
        )  # fmt: skip
        load_roller = Loaders(DistanceConfig(), 0).roller
        pools = [kind(load_roller, config, CPU) for kind in (PoolOfOwnPuts, RolloutPool)]
        averages = AverageOnCpu(gathered(self._engine)), WeightAverage(self._engine, DECAY)
        self._work: dict[str, Callable[[], object]] = {
            "put before": lambda: self._put(pools[0], gathered(self._engine)),
            "put after": lambda: self._put(pools[1], self._engine.trained_weights()),
            "average before": lambda: self._average_on_cpu(gathered(self._engine)),
            "average after": averages[1].update,
        }
        self._averages = averages

    def megabytes(self) -> float:
        """Of the weights that travel."""
        return sum(value.nbytes for value in gathered(self._engine).values()) / 1e6

    def do(self, what: str) -> tuple[float, float]:
        """Wall seconds until all ranks are done, and this rank's CPU seconds."""
        dist.barrier()
        wall, spent = time.perf_counter(), time.process_time()
        self._work[what]()
        spent = time.process_time() - spent
        dist.barrier()
        return time.perf_counter() - wall, spent

    def _average_on_cpu(self, weights: Mapping[str, torch.Tensor]) -> None:
        if self._rank == 0:
            self._averages[0].update(weights)

    def averages_agree(self) -> bool:
        """Whether both averages, after as many updates, are the same to the bit."""
        after = self._averages[1].whole()
        return all(torch.equal(self._averages[0].weights[name], value) for name, value in after.items())

    def _put(self, pool: RolloutPool, weights: Mapping[str, torch.Tensor]) -> None:
        pool.set_weights(weights)
        ray.get([actor.__ray_ready__.remote() for actor in pool._actors])  # noqa: SLF001 - its calls keep their order


def of_ranks() -> list[str]:
    """Rows of the table: putting weights, averaging them."""
    with tempfile.TemporaryDirectory() as folder, local_or_cluster_ray(num_cpus=3 * RANKS):
        ranks = [Rank.remote(rank, f"{folder}/meeting") for rank in range(RANKS)]
        megabytes = ray.get(ranks[0].megabytes.remote())
        found: dict[str, tuple[float, float]] = {}
        for what in ("put before", "put after", "average before", "average after"):
            runs = [ray.get([rank.do.remote(what) for rank in ranks]) for _ in range(RUNS)]
            slowest, all_ranks = zip(*((max(run)[0], sum(cpu for _, cpu in run)) for run in runs), strict=True)
            found[what] = min(slowest), min(all_ranks)
        assert all(ray.get([rank.averages_agree.remote() for rank in ranks]))
    rows = []
    for name, what in (("weights to the rollout actors", "put"), ("moving average", "average")):
        for clock, unit in ((0, "wall"), (1, "CPU of the ranks")):
            before, after = (1000 * found[f"{what} {when}"][clock] for when in ("before", "after"))
            rows.append(row(f"{name}, {unit}", before, after))
    return [*rows, f"| bytes put into Ray's store, MB | {RANKS * megabytes:.1f} | {megabytes:.1f} | {1 / RANKS:.2f} |"]


def dancers() -> PosedPeople:
    """The poses of a batch."""
    rows = torch.stack([torch.from_numpy(draw_pose({"dance": 1.0}, 7, 8 * n)) for n in range(PEOPLE)])
    joints = torch.from_numpy(joints_from_rows(rows.numpy())[:, :22]).float()
    joints = torch.cat([joints, joints[:, 15:16] + torch.tensor([0.0, -0.02, 0.06])], 1)  # and a jaw
    low, high = joints.amin(1), joints.amax(1)
    return PosedPeople(joints, (low + high) / 2, 1.15 * (high - low).norm(dim=-1))


def of_maps() -> list[str]:
    """Rows of the table: drawing alone at three sizes, and the reward of the shipped predictor with its gradient."""
    poses, rows = dancers(), []
    for size in (32, 96, 192):

        def each_time(size: int = size) -> None:
            for _ in range(STOPS * MEMBERS):
                target_maps(poses, size)

        def once(size: int = size) -> None:
            targets = TargetMaps(CPU)  # a new batch
            for _ in range(STOPS * MEMBERS):
                targets.draw(poses, size)

        rows.append(row(f"target maps of {size} x {size} px, CPU", best_ms(each_time), best_ms(once)))
    predictor = SkeletonPredictor.load(PREDICTOR)
    size, side = predictor.config.map_size, predictor.config.latent_size
    score = PoseScore(predictor, SkeletonDistance(DistanceConfig()))
    latents = torch.randn(2, PEOPLE, 6, 4, side, side, generator=torch.Generator().manual_seed(0))
    before = Ensemble([DrawnEachTime(score, size)] * MEMBERS, 1.0)

    def after() -> Ensemble:
        return Ensemble([PoseReward(score, size, TargetMaps(CPU))] * MEMBERS, 1.0)

    assert torch.equal(before(latents, poses), after()(latents, poses))
    spent = [best_ms(lambda: rewarded(before, latents, poses)), best_ms(lambda: rewarded(after(), latents, poses))]
    return [*rows, row(f"reward and gradient of a batch, shipped predictor, {size} px, CPU", *spent)]


def rewarded(reward: Ensemble, latents: torch.Tensor, poses: PosedPeople) -> None:
    for _ in range(STOPS):
        x0 = latents.clone().requires_grad_()
        torch.autograd.grad(reward(x0, poses).sum(), x0)


def best_ms(work: Callable[[], object]) -> float:
    work()
    return 1000 * min(seconds(work, CPU) for _ in range(RUNS))


def row(name: str, before: float, after: float) -> str:
    return f"| {name}, ms | {before:.1f} | {after:.1f} | **{after / before:.2f}** |"


def table() -> str:
    torch.set_num_threads(1)
    lines = ["| per iteration | before | after | of before |", "|---|---|---|---|", *of_ranks(), *of_maps()]
    setting = (
        f"{RANKS} ranks with one rollout actor each, float32, ZeRO 2; {PEOPLE} people, {STOPS} stops, ensemble of "
        f"{MEMBERS}"
    )
    machine = (
        f"torch {torch.__version__}, Ray {ray.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} cores, 1 thread per process"
    )
    return "\n".join([*lines, "", f"{setting}. {machine}"])


if __name__ == "__main__":
    hand_in(__doc__, table, "measured")
