"""How well BlazePose reads true renders of our people, what that costs, and whom it sees where nobody is.

    python benchmarks/blazepose.py --output docs/benchmarks/blazepose.md      # two minutes, one core

16 standing and 16 dancing people, painted, in the rig's six views. CPU seconds of the process, without the renders.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from page import hand_in
from torch import Tensor
from torch.nn import functional as F

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.people import draw_person, take_portrait
from drpose_ray.body.smplx_body import Body
from drpose_ray.evaluation.judges.blazepose.judge import JUDGED_JOINTS, BlazePoseJudge, Judgement
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG
from drpose_ray.metrics.joints import mean_distance_cm
from drpose_ray.poses.sources import draw_pose

PEOPLE = 16
SIZES = (96, 128, 192, 384)
DANCE_STRIDE = 8  # poses of one dance are numbered together: each person is from another
GOAL_S, GOAL_SIZE = 0.5, 192


def renders(body: Body, source: str, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images (16, 6, 3, s, s), widths (16,), joints (16, 23, 3)."""
    seen = [
        take_portrait(
            draw_person(body, 1000 + i), draw_pose({source: 1}, 77, DANCE_STRIDE * i), VIEW_AZIMUTHS_DEG, size
        )
        for i in range(PEOPLE)
    ]
    images = torch.from_numpy(np.stack([each.views.color for each in seen])).permute(0, 1, 4, 2, 3)
    widths = torch.tensor([each.frame.width_m for each in seen])
    return images, widths, torch.from_numpy(np.stack([each.joints_world for each in seen]))


def accuracy(source: str, size: int, judged: Judgement, joints: Tensor, seconds: float) -> str:
    errors, read = judged.errors_cm(joints), judged.read
    true = joints[:, JUDGED_JOINTS].float()
    centred = mean_distance_cm(judged.joints - judged.joints.mean(1, keepdim=True), true - true.mean(1, keepdim=True))
    order = np.argsort(np.argsort(np.stack([errors.numpy(), judged.residual_cm.numpy()]), axis=1), axis=1)
    correlation = np.corrcoef(order)[0, 1]
    return (
        f"| {source} | {size} | {errors.mean():.1f} | {errors.median():.1f} | {centred.mean():.1f} | "
        f"{centred.median():.1f} | {judged.found.float().mean():.0%} | {read.float().mean():.0%} | "
        f"{errors[read].mean():.1f} | {correlation:.2f} | {seconds:.2f} |"
    )


def nobody(images: Tensor, draw: torch.Generator) -> dict[str, Tensor]:
    """Pictures of nobody, as many and as large as ``images``; scrambled ones keep blocks of an n-th of the side."""
    size = images.shape[-1]
    smooth = F.interpolate(torch.rand(len(images) * 6, 3, 8, 8, generator=draw), (size, size), mode="bicubic")
    made = {
        "white": torch.full_like(images, 255),
        "noise": torch.randint(0, 256, images.shape, dtype=torch.uint8, generator=draw),
        "smooth noise, 8 × 8": smooth.clamp(0, 1).reshape(images.shape),
        "pixels shuffled": images.flatten(3)[..., torch.randperm(size * size, generator=draw)].reshape(images.shape),
    }
    for n in (16, 8, 4):
        blocks = images.reshape(-1, 3, n, size // n, n, size // n).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        mixed = torch.stack([each[torch.randperm(n * n, generator=draw)] for each in blocks])
        whole = mixed.reshape(-1, n, n, 3, size // n, size // n).permute(0, 3, 1, 4, 2, 5)
        made[f"{n} × {n} blocks scrambled"] = whole.reshape(images.shape)
    return made


def table() -> str:
    torch.set_num_threads(1)
    body, judge = Body(ensure_body(BODY_CACHE)), BlazePoseJudge()
    lines = [
        "| people | px | mean | median | centred mean | its median | views found | read | mean of read | ~ | CPU-s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    cost = 0.0
    for source in ("standing", "dance"):
        for size in SIZES:
            images, widths, joints = renders(body, source, size)
            start = time.process_time()
            judged = judge.judge(images, widths)
            seconds = (time.process_time() - start) / PEOPLE
            cost = max(cost, seconds * (size == GOAL_SIZE))
            lines.append(accuracy(source, size, judged, joints, seconds))
    verdict = "Met" if cost <= GOAL_S else "NOT met"
    lines += [
        "", f"Goal: at most {GOAL_S:g} CPU-s a person at {GOAL_SIZE} px. {verdict}: {cost:.2f}.", "",
        "| pictures of nobody (16 people × 6 views, 96 px) | views found | people read |", "|---|---|---|",
    ]  # fmt: skip
    images, widths, _ = renders(body, "dance", 96)
    for name, pictures in nobody(images, torch.Generator().manual_seed(0)).items():
        judged = judge.judge(pictures, widths)
        lines.append(f"| {name} | {judged.found.float().mean():.1%} | {judged.read.float().mean():.0%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    hand_in(__doc__, table, "measured")
