"""Which parts some settings ask for, and what is found of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from drpose_ray.core.errors import missing_weights
from drpose_ray.doctor import checks, parts
from drpose_ray.doctor.config import DoctorConfig
from drpose_ray.doctor.finding import Finding, examine
from drpose_ray.doctor.parts import PARTS, Part

SMALL_WEIGHTS: Final = Path("weights/small")


@dataclass(frozen=True)
class Asked:
    """A part that a setting names."""

    part: Part
    field: str
    path: Path
    check: Callable[[Path], str]
    needed: bool = True
    """Whether it has to be there: what a job makes first where it is not, does not."""


def asked_of(config: DoctorConfig) -> list[Asked]:
    """The parts that ``config`` names, each file or folder once as a part, under the first of its settings."""
    once: dict[tuple[Path, str], Asked] = {}
    for asked in _all(config):
        once.setdefault((asked.path, asked.part.name), asked)
    named = {path for path, _ in once}
    return [*once.values(), *(asked for asked in _shipped() if asked.path not in named)]


def findings(config: DoctorConfig) -> Iterator[Finding]:
    """What there is of each part that is asked for; then a line for each kind that is not."""
    asked = asked_of(config)
    yield from map(_find, asked)
    for part in PARTS:
        if part not in {each.part for each in asked}:
            yield Finding(part.name, "unused", f"{part.field} names none", part.remedy)


def _find(asked: Asked) -> Finding:
    name = f"{asked.part.name} ({asked.field})"
    in_bucket = asked.path.parts[:1] == ("s3:",)
    try:
        is_there = in_bucket or asked.path.exists()
    except (OSError, ValueError):  # a name that no file can have, a folder that may not be searched
        is_there = True
    if is_there:
        return examine(name, asked.path, asked.check)
    remedy = missing_weights(asked.path) if "small" in asked.path.parts else asked.part.remedy
    return Finding(name, "missing" if asked.needed else "unused", f"nothing at {asked.path}", remedy)


def _all(config: DoctorConfig) -> Iterator[Asked]:
    yield from _of_poses(config)
    yield from _of_model(config)
    yield from _of_reward(config)
    yield from _of_datasets(config)


def _shipped() -> Iterator[Asked]:
    for name, check in (("predictor", checks.predictor), ("estimator", checks.estimator)):
        yield Asked(parts.SMALL, "shipped", SMALL_WEIGHTS / f"{name}.safetensors", check, needed=False)
    small = partial(checks.base_model, holds_text=True)
    yield Asked(parts.SMALL, "shipped", SMALL_WEIGHTS / "i2mv", small, needed=False)


def _of_poses(config: DoctorConfig) -> Iterator[Asked]:
    read = partial(checks.motions, skeletons=config.poses.skeletons)
    for path in config.poses.motions:
        yield Asked(parts.MOTIONS, "poses.motions", path, read)
    mimo = config.synthesis.mimo
    bodies = {
        "synthesis.clothed_body.body": config.synthesis.clothed_body.body,
        "synthesis.mimo.body": mimo.body if mimo else None,
        "scans.body": config.scans.body,
        **{f"scans.sources.{n}.body": source.body for n, source in enumerate(config.scans.sources)},
    }
    for field, body in bodies.items():
        if body:
            yield Asked(parts.SMPLX, field, body, checks.body)
    if mimo:
        yield Asked(parts.MIMO, "synthesis.mimo.weights", mimo.weights, checks.mimo)
        known = partial(checks.colors, body_file=mimo.body)
        yield Asked(parts.COLORS, "synthesis.mimo.color_table", mimo.color_table, known)
        yield Asked(parts.PHOTOS, "synthesis.mimo.photos", mimo.photos, checks.photos)


def _of_model(config: DoctorConfig) -> Iterator[Asked]:
    base, text = config.finetune.model.base, config.finetune.model.text_embeddings
    yield Asked(parts.BASE, "finetune.model.base", base, partial(checks.base_model, holds_text=text is None))
    if text:
        yield Asked(parts.PROMPTS, "finetune.model.text_embeddings", text, partial(checks.prompts, base=base))


def _of_reward(config: DoctorConfig) -> Iterator[Asked]:
    reward = config.reward
    yield Asked(parts.BASE, "reward.i2mv", reward.i2mv, checks.vae)
    # jobs/pipeline.py fits a predictor that does not exist, if it is given what to fit it to.
    is_fitted = bool(reward.multiview_shards or reward.latents)
    predictor = config.finetune.reward.predictor
    yield Asked(parts.PREDICTOR, "finetune.reward.predictor", predictor, checks.predictor, needed=not is_fitted)
    for term in config.finetune.reward.terms:
        for path in term.predictors:
            yield Asked(parts.PREDICTOR, f"finetune.reward.terms ({term.name})", path, checks.predictor)
    weights = config.distance.backbone_weights
    if weights:
        check = partial(checks.backbone, name=config.distance.backbone)
        yield Asked(parts.BACKBONE, "distance.backbone_weights", weights, check)
    yield Asked(parts.ESTIMATOR, "evaluate.estimator", config.evaluate.estimator, checks.estimator)


def _of_datasets(config: DoctorConfig) -> Iterator[Asked]:
    for source in config.scans.sources:
        check = partial(checks.scans, source=source, limits=config.scans.checks)
        yield Asked(parts.SCANS, "scans.sources", source.folder, check)
    for path in config.reward.multiview_shards:
        yield Asked(parts.SHARDS, "reward.multiview_shards", path, checks.shards)
    for path in config.reward.latents:
        yield Asked(parts.DERIVED, "reward.latents", path, partial(checks.latents, model=config.reward.i2mv))
    data, held_out = config.finetune.data, config.finetune.held_out
    for field, place in (("data", data.dataset), ("held_out", held_out.dataset if held_out else None)):
        if place:
            yield Asked(parts.SHARDS, f"finetune.{field}.dataset", place, checks.shards)
    if data.conditions:
        check = partial(checks.conditions, base=config.finetune.model.base)
        yield Asked(parts.DERIVED, "finetune.data.conditions", data.conditions, check)
